//! The registers of a program while the kernel works for it.
//!
//! The frame lies at the top of the thread's kernel stack, directly below the area of the vector
//! registers. Entry by an interrupt and entry by a system call make the same frame. A thread's vector
//! registers live in their area while it is in the kernel: each entry from ring 3 stores them there,
//! each return loads them. AVX is off (`OSXSAVE` is clear), so the FXSAVE area is all there is.

/// The segment selector of a program's data.
pub const USER_DATA: u16 = 0x18 | 3;
/// The segment selector of a program's code.
pub const USER_CODE: u16 = 0x20 | 3;
/// Interrupts on; bit 1 is always set.
pub const USER_FLAGS: u64 = 0x202;

macro_rules! trap_frame {
    ($($(#[$doc:meta])* $register:ident,)*) => {
        /// All general registers, in the order in which the entry code pushes them, last first.
        #[repr(C)]
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct TrapFrame {
            $($(#[$doc])* pub $register: u64,)*
        }

        impl TrapFrame {
            /// All of them, in this order.
            #[must_use]
            pub const fn to_words(&self) -> [u64; REGISTERS] {
                [$(self.$register,)*]
            }

            /// The frame of such words.
            #[must_use]
            pub const fn from_words([$($register,)*]: [u64; REGISTERS]) -> Self {
                Self { $($register,)* }
            }
        }
    };
}

/// How many registers a frame has.
pub const REGISTERS: usize = 22;

trap_frame! {
    /// Not set by a system call, nor are the next five.
    r15,
    /// As `r15`.
    r14,
    /// As `r15`.
    r13,
    /// As `r15`.
    r12,
    /// As `r15`.
    rbp,
    /// As `r15`.
    rbx,
    /// An argument.
    r10,
    /// An argument.
    r9,
    /// An argument.
    r8,
    /// An argument.
    rdi,
    /// An argument.
    rsi,
    /// An argument.
    rdx,
    /// Not set by a system call before it has a result.
    rax,
    /// Not set by a system call, nor is `rcx`.
    r11,
    /// As `r11`.
    rcx,
    /// The interrupt's vector; not set by a system call.
    vector,
    /// The error code of a fault that has one, else 0; not set by a system call.
    error,
    /// Where the program goes on.
    rip,
    /// Always the same, as `ss`; a system call leaves what is there since the thread began.
    cs,
    /// Its flags.
    flags,
    /// Its stack pointer.
    rsp,
    /// As `cs`.
    ss,
}

/// Bytes between the frame's start and the end of the kernel stack.
pub const FRAME_TO_STACK_END: u64 = size_of::<TrapFrame>() as u64 + VectorArea::LEN;

/// Where a program begins, or is sent to.
#[derive(Clone, Copy, Debug)]
pub struct Entry {
    /// The first instruction.
    pub at: u64,
    /// The stack pointer.
    pub stack: u64,
    /// The first two arguments.
    pub arguments: [u64; 2],
}

impl From<Entry> for TrapFrame {
    /// Everything else is zero.
    #[inline]
    fn from(entry: Entry) -> Self {
        Self {
            rdi: entry.arguments[0],
            rsi: entry.arguments[1],
            rip: entry.at,
            cs: u64::from(USER_CODE),
            flags: USER_FLAGS,
            rsp: entry.stack,
            ss: u64::from(USER_DATA),
            ..Self::default()
        }
    }
}

/// The vector registers as FXSAVE stores them.
#[repr(C, align(16))]
#[derive(Clone, Copy, Debug)]
pub struct VectorArea([u32; 128]);

/// What a new thread starts with: all exceptions masked, round to nearest, all registers zero.
pub static INITIAL_VECTORS: VectorArea = {
    let mut words = [0; 128];
    words[0] = 0x037f;
    words[MXCSR] = 0x1f80;
    VectorArea(words)
};

/// Where FXSAVE puts the control word of the vector unit, and which bits of it may be set.
const MXCSR: usize = 6;
const MXCSR_BITS: u32 = 0xffff;

impl VectorArea {
    /// Bytes of an area.
    pub const LEN: u64 = 512;

    /// Pairs of its words.
    #[must_use]
    pub fn to_words(&self) -> [u64; 64] {
        let (pairs, _) = self.0.as_chunks::<2>();
        core::array::from_fn(|at| u64::from(pairs[at][1]) << 32 | u64::from(pairs[at][0]))
    }

    /// The area of words that a program has said, without what FXRSTOR would fault on.
    #[must_use]
    pub fn from_words(words: &[u64; 64]) -> Self {
        let mut area = Self(core::array::from_fn(|at| {
            (words[at / 2] >> (at % 2 * 32)) as u32
        }));
        area.0[MXCSR] &= MXCSR_BITS;
        area
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_starts_with_its_arguments_and_nothing_else() {
        let frame = TrapFrame::from(Entry {
            at: 1,
            stack: 2,
            arguments: [3, 4],
        });
        let set = |word: &&u64| **word != 0;
        assert_eq!(frame.to_words().iter().filter(set).count(), 7);
        assert_eq!((frame.rip, frame.rsp, frame.rdi, frame.rsi), (1, 2, 3, 4));
        assert_eq!(frame.cs & 3, 3, "ring 3");
        assert_eq!(frame.flags & 1 << 9, 1 << 9, "interrupts are on");
    }

    #[test]
    fn words_and_frames_are_the_same() {
        let words = core::array::from_fn(|at| at as u64 + 100);
        let frame = TrapFrame::from_words(words);
        assert_eq!((frame.r15, frame.ss), (100, 121));
        assert_eq!(frame.to_words(), words);
        assert_eq!(FRAME_TO_STACK_END, 22 * 8 + 512);
    }

    #[test]
    fn vectors_come_back_without_what_faults() {
        let words = core::array::from_fn(|at| (at as u64) << 40 | 0xffff_ffff);
        let again = VectorArea::from_words(&words).to_words();
        for at in 0..64 {
            // The control word is the lower half of the fourth pair.
            let lost = if at == 3 { 0xffff_0000 } else { 0 };
            assert_eq!(again[at], words[at] & !lost, "{at}");
        }
        let initial = INITIAL_VECTORS.to_words();
        assert_eq!(VectorArea::from_words(&initial).to_words(), initial);
    }
}
