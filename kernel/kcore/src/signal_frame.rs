//! What a call of a signal's handler leaves on the program's stack, and what is taken back from there.
//!
//! The handler is called below the red zone; it returns to the program's restorer, which calls
//! `sigreturn`. Nothing that lies on a program's stack is trusted: it may have become anything.

use crate::{
    frame::{Entry, REGISTERS, TrapFrame, USER_FLAGS, VectorArea},
    signals::{Handler, Signal, SignalSet},
    user_range::UserRange,
};

/// Below the stack pointer, programs keep values without saying so.
const RED_ZONE: u64 = 128;
/// Flags that a program may set by itself: arithmetic and direction.
const OWN_FLAGS: u64 = 0xcd5;
/// The signal, the address of a fault, the mask, a word that is reserved; then the registers.
const HEAD: usize = 4;
/// All words of a frame.
const WORDS: usize = HEAD + REGISTERS + 64;

/// The interrupted registers and the mask, above the handler's return address.
#[derive(Clone, Copy, Debug)]
pub struct SignalFrame {
    /// The signal's number.
    pub signal: u64,
    /// The address of a fault.
    pub address: u64,
    /// The mask that comes back.
    pub mask: SignalSet,
    /// The general registers.
    pub registers: TrapFrame,
    /// The vector registers.
    pub vectors: VectorArea,
}

impl SignalFrame {
    /// Bytes of it.
    pub const LEN: usize = WORDS * 8;

    /// Where it lies for a program with this stack pointer; the return address is the word below.
    #[must_use]
    pub const fn place(stack_pointer: u64) -> u64 {
        stack_pointer.wrapping_sub(RED_ZONE + Self::LEN as u64) & !15
    }

    /// The registers with which a handler begins whose frame lies at `at`: the arguments are the signal,
    /// the frame, and the frame.
    #[must_use]
    pub fn begin(handler: &Handler, signal: Signal, at: u64) -> TrapFrame {
        TrapFrame {
            rdx: at,
            ..TrapFrame::from(Entry {
                at: handler.entry,
                stack: at.wrapping_sub(8),
                arguments: [u64::from(signal.number()), at],
            })
        }
    }

    /// Its bytes, as programs see them.
    #[must_use]
    pub fn to_bytes(&self) -> [[u8; 8]; WORDS] {
        let head = [self.signal, self.address, u64::from(self.mask.bits()), 0];
        let registers = TrapFrame {
            vector: 0,
            error: 0,
            ..self.registers
        };
        let mut words = [0; WORDS];
        words[..HEAD].copy_from_slice(&head);
        words[HEAD..][..REGISTERS].copy_from_slice(&registers.to_words());
        words[HEAD + REGISTERS..].copy_from_slice(&self.vectors.to_words());
        words.map(u64::to_ne_bytes)
    }

    /// What a program has left there; nothing if it would go on where no program can be. The segments
    /// are those of `now`, and flags that are not the program's stay as they are for all.
    #[must_use]
    pub fn from_bytes(bytes: [[u8; 8]; WORDS], now: &TrapFrame) -> Option<Self> {
        let words = bytes.map(u64::from_ne_bytes);
        let ([signal, address, mask, _], rest) = words.split_first_chunk()?;
        let (registers, vectors) = rest.split_first_chunk()?;
        let registers = TrapFrame::from_words(*registers);
        UserRange::new(registers.rip, 1)?;
        Some(Self {
            signal: *signal,
            address: *address,
            mask: SignalSet::blockable(*mask),
            registers: TrapFrame {
                cs: now.cs,
                ss: now.ss,
                flags: USER_FLAGS | registers.flags & OWN_FLAGS,
                vector: 0,
                error: 0,
                ..registers
            },
            vectors: VectorArea::from_words(vectors.first_chunk()?),
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{frame::INITIAL_VECTORS, user_range::USER_END};

    fn now() -> TrapFrame {
        TrapFrame::from(Entry {
            at: 0x40_1000,
            stack: 0x4747_ff00,
            arguments: [1, 2],
        })
    }

    #[test]
    fn what_was_saved_comes_back() {
        let registers = TrapFrame {
            rax: 77,
            flags: USER_FLAGS | 1,
            vector: 14,
            error: 6,
            ..now()
        };
        let frame = SignalFrame {
            signal: 11,
            address: 8,
            mask: SignalSet::only(Signal::CHLD),
            registers,
            vectors: INITIAL_VECTORS,
        };
        let back = SignalFrame::from_bytes(frame.to_bytes(), &now()).unwrap();
        assert_eq!((back.signal, back.address, back.mask), (11, 8, frame.mask));
        let expected = TrapFrame {
            vector: 0,
            error: 0,
            ..registers
        };
        assert_eq!(back.registers, expected);
        assert_eq!(back.vectors.to_words(), INITIAL_VECTORS.to_words());
    }

    #[test]
    fn the_handler_starts_below_the_red_zone_as_if_called() {
        let handler = Handler {
            entry: 0x40_2000,
            restorer: 0x40_3000,
            mask: SignalSet::EMPTY,
        };
        for stack in 0x4747_ff00..0x4747_ff10 {
            let at = SignalFrame::place(stack);
            assert!(at + SignalFrame::LEN as u64 <= stack - RED_ZONE && at.is_multiple_of(16));
            let start = SignalFrame::begin(&handler, Signal::FPE, at);
            assert_eq!((start.rdi, start.rsi, start.rdx), (8, at, at));
            assert_eq!((start.rip, start.rsp), (0x40_2000, at - 8));
        }
        // One that has no room wraps to where no program can write.
        let at = SignalFrame::place(8);
        assert!(UserRange::new(at, SignalFrame::LEN as u64).is_none());
    }

    proptest! {
        #[test]
        fn nothing_on_the_stack_is_trusted(
            words in prop::collection::vec(any::<u64>(), WORDS),
            rip in prop_oneof![0..2 * USER_END, any::<u64>()],
        ) {
            let mut bytes: [[u8; 8]; WORDS] = core::array::from_fn(|at| words[at].to_ne_bytes());
            let rip_at = HEAD + TrapFrame { rip: 1, ..TrapFrame::default() }
                .to_words()
                .iter()
                .position(|word| *word == 1)
                .unwrap();
            bytes[rip_at] = rip.to_ne_bytes();
            let back = SignalFrame::from_bytes(bytes, &now());
            prop_assert_eq!(back.is_some(), UserRange::new(rip, 1).is_some());
            if let Some(SignalFrame { mask, registers, .. }) = back {
                prop_assert_eq!((registers.cs, registers.ss), (now().cs, now().ss));
                prop_assert_eq!(registers.flags & !OWN_FLAGS, USER_FLAGS);
                prop_assert!(!mask.has(Signal::KILL) && !mask.has(Signal::STOP));
            }
        }
    }
}
