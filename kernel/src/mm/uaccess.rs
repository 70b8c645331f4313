//! The only ways to user memory while a program's address space is loaded.
//!
//! # Protocol
//! Each routine checks that the range lies in the user half and then touches it in a few lines of
//! assembly, between `stac` and `clac`. A page fault in there first tries to make the page (lazy
//! memory); if that fails, the trap code goes on at the recovery label, and the routine says how much
//! was left. So a bad address, or one that another thread unmaps meanwhile, is `EFAULT` and never
//! more.

use core::{arch::global_asm, mem::MaybeUninit};

use kcore::{Errno, USER_END, UserRange};

global_asm!(
    ".text",
    // The next instruction touches user memory: what a page fault there does first (1: makes the page),
    // and where it goes on if that fails.
    ".macro touches makes_page, failed",
    ".pushsection .recovery, \"a\"",
    ".quad 9f, \\failed, \\makes_page",
    ".popsection",
    "9:",
    ".endm",
    // name(rdi to, rsi from, rdx n) -> bytes not copied
    ".macro user_copy_routine name, makes_page",
    ".globl \\name",
    "\\name:",
    "mov rcx, rdx",
    "shr rcx, 3",
    "and edx, 7",
    "stac",
    "touches \\makes_page, user_copy_words_failed",
    "rep movsq",
    "mov ecx, edx",
    "touches \\makes_page, user_copy_bytes_failed",
    "rep movsb",
    "clac",
    "xor eax, eax",
    "ret",
    ".endm",
    "user_copy_routine user_copy, 1",
    "user_copy_routine user_copy_now, 0",
    "user_copy_words_failed:",
    "lea rax, [rdx + rcx * 8]",
    "clac",
    "ret",
    "user_copy_bytes_failed:",
    "mov eax, ecx",
    "clac",
    "ret",
    // name(rdi from) -> the 32-bit word, or 2^32
    ".macro user_load_routine name, makes_page",
    ".globl \\name",
    "\\name:",
    "stac",
    "touches \\makes_page, user_load_failed",
    "mov eax, [rdi]",
    "clac",
    "ret",
    ".endm",
    "user_load_routine user_load, 1",
    "user_load_routine user_peek, 0",
    "user_load_failed:",
    "movabs rax, 0x100000000",
    "clac",
    "ret",
    // user_store(rdi to, rsi value) -> 0, or 1 if it failed
    ".globl user_store",
    "user_store:",
    "stac",
    "touches 1, user_store_failed",
    "mov [rdi], rsi",
    "clac",
    "xor eax, eax",
    "ret",
    // user_probe(rdi at) -> 0 if the byte can be written, or 1
    ".globl user_probe",
    "user_probe:",
    "stac",
    "touches 1, user_store_failed",
    "lock or byte ptr [rdi], 0",
    "clac",
    "xor eax, eax",
    "ret",
    "user_store_failed:",
    "mov eax, 1",
    "clac",
    "ret",
    // user_text(rdi to, rsi from, rdx n > 0) -> length without NUL, n if there is none, -1 if it failed.
    // By 16 bytes where they end before the page does. A fault may change the vector registers, so what
    // is needed after the load is made after it.
    ".globl user_text",
    "user_text:",
    "mov rcx, rdx",
    "stac",
    "2:",
    "cmp rcx, 16",
    "jb 6f",
    "mov eax, esi",
    "and eax, 0xfff",
    "cmp eax, 0xff0",
    "ja 6f",
    "touches 1, user_text_failed",
    "movdqu xmm0, [rsi]",
    "movdqu [rdi], xmm0",
    "pxor xmm1, xmm1",
    "pcmpeqb xmm1, xmm0",
    "pmovmskb eax, xmm1",
    "test eax, eax",
    "jnz 3f",
    "add rsi, 16",
    "add rdi, 16",
    "sub rcx, 16",
    "jnz 2b",
    "xor eax, eax",
    "jmp 4f",
    "3:",
    "bsf eax, eax",
    "4:",
    "sub rdx, rcx",
    "add rax, rdx",
    "clac",
    "ret",
    "6:",
    "touches 1, user_text_failed",
    "lodsb",
    "stosb",
    "test al, al",
    "jz 5f",
    "dec rcx",
    "jnz 2b",
    "5:",
    "xor eax, eax",
    "jmp 4b",
    "user_text_failed:",
    "mov rax, -1",
    "clac",
    "ret",
);

unsafe extern "C" {
    fn user_copy(to: u64, from: u64, len: u64) -> u64;
    /// As `user_copy`, but makes no page.
    fn user_copy_now(to: u64, from: u64, len: u64) -> u64;
    fn user_load(from: u64) -> u64;
    /// As `user_load`, but makes no page.
    fn user_peek(from: u64) -> u64;
    fn user_store(to: u64, value: u64) -> u64;
    fn user_probe(at: u64) -> u64;
    fn user_text(to: u64, from: u64, len: u64) -> u64;

    static recovery_start: Touch;
    static recovery_end: Touch;
}

/// An instruction that touches user memory, as the routines above describe it.
#[repr(C)]
struct Touch {
    at: u64,
    failed: u64,
    makes_page: u64,
}

/// How to go on after a page fault in the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Recovery {
    /// Make the page; if that fails, go on at this address.
    MakePage(u64),
    /// Go on at this address.
    Skip(u64),
}

/// How to go on after a page fault at `rip`, if that is one of the touching instructions.
pub(crate) fn recovery(rip: u64) -> Option<Recovery> {
    let all = (&raw const recovery_start)..(&raw const recovery_end);
    let count = (all.end as usize - all.start as usize) / size_of::<Touch>();
    // SAFETY: the linker puts all of them between the two, in read-only data.
    let touches = unsafe { core::slice::from_raw_parts(all.start, count) };
    let touch = touches.iter().find(|touch| touch.at == rip)?;
    Some(match touch.makes_page {
        0 => Recovery::Skip(touch.failed),
        _ => Recovery::MakePage(touch.failed),
    })
}

fn check(address: u64, len: u64) -> Result<UserRange, Errno> {
    UserRange::new(address, len).ok_or(Errno::EFAULT)
}

/// What a routine says that answers 0 if it has done all.
#[inline]
fn all_done(left: u64) -> Result<(), Errno> {
    if left == 0 {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Copies into user memory.
///
/// # Errors
/// `EFAULT` if not all of it could be written; a part may have been, if the range is user memory.
pub(crate) fn copy_out(to: u64, bytes: &[u8]) -> Result<(), Errno> {
    let range = check(to, bytes.len() as u64)?;
    // SAFETY: reads a slice, writes user memory only; a fault ends it early.
    let left = unsafe { user_copy(range.start(), bytes.as_ptr() as u64, range.len()) };
    all_done(left)
}

/// Copies from user memory.
///
/// # Errors
/// `EFAULT` if not all of it could be read.
pub(crate) fn copy_in(from: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    let range = check(from, bytes.len() as u64)?;
    // SAFETY: reads user memory only, writes a slice; a fault ends it early.
    let left = unsafe { user_copy(bytes.as_mut_ptr() as u64, range.start(), range.len()) };
    all_done(left)
}

/// Copies into user memory, if its pages are there; never makes one, so a lock may be held.
///
/// # Errors
/// [`NotThere`]; a part may have been written.
#[inline]
pub(crate) fn copy_out_now(to: UserRange, bytes: &[u8]) -> Result<(), NotThere> {
    assert!(bytes.len() as u64 <= to.len(), "invariant: there is room");
    // SAFETY: reads a slice, writes user memory only; a fault ends it.
    let failed = unsafe { user_copy_now(to.start(), bytes.as_ptr() as u64, bytes.len() as u64) };
    if failed == 0 { Ok(()) } else { Err(NotThere) }
}

/// Copies from user memory, if its pages are there; as [`copy_out_now`].
///
/// # Errors
/// [`NotThere`].
#[inline]
pub(crate) fn copy_in_now(from: UserRange, bytes: &mut [u8]) -> Result<(), NotThere> {
    assert!(
        bytes.len() as u64 <= from.len(),
        "invariant: there are as many"
    );
    // SAFETY: reads user memory only, writes a slice; a fault ends it.
    let failed =
        unsafe { user_copy_now(bytes.as_mut_ptr() as u64, from.start(), bytes.len() as u64) };
    if failed == 0 { Ok(()) } else { Err(NotThere) }
}

/// An aligned 32-bit word in user memory that other threads may change.
#[derive(Clone, Copy, Debug)]
pub(crate) struct UserWord(u64);

impl UserWord {
    /// The word at an address. One in a page that nobody can have is found out when it is touched; who
    /// does not touch it [checks](Self::check).
    ///
    /// # Errors
    /// `EINVAL` if it is not aligned, `EFAULT` if it is in the kernel's half.
    #[inline(always)]
    pub(crate) fn new(address: u64) -> Result<Self, Errno> {
        const LOWER_HALF_ALIGNED: u64 = (1 << 47) - 4;
        if address & !LOWER_HALF_ALIGNED != 0 {
            return Err(bad_word(address));
        }
        Ok(Self(address))
    }

    /// Whether it is in user memory, mapped or not.
    ///
    /// # Errors
    /// `EFAULT`.
    #[cold]
    pub(crate) fn check(self) -> Result<(), Errno> {
        check(self.0, 4).map(|_| ())
    }

    /// Where it is.
    #[inline]
    pub(crate) fn address(self) -> u64 {
        self.0
    }

    /// Reads it; makes its page if need be.
    ///
    /// # Errors
    /// `EFAULT` if it cannot be read.
    pub(crate) fn load(self) -> Result<u32, Errno> {
        // SAFETY: one load from user memory.
        let word = unsafe { user_load(self.0) };
        u32::try_from(word).map_err(|_| Errno::EFAULT)
    }

    /// Whether it has this value, if its page is there; never makes one, so a lock may be held.
    ///
    /// # Errors
    /// [`NotThere`] if the page is not there.
    #[inline]
    pub(crate) fn has(self, value: u32) -> Result<bool, NotThere> {
        // SAFETY: one load from user memory.
        let word = unsafe { user_peek(self.0) };
        if word == u64::from(value) {
            return Ok(true);
        }
        has_another(word)
    }
}

#[cold]
#[inline(never)]
fn bad_word(address: u64) -> Errno {
    if address.is_multiple_of(4) {
        Errno::EFAULT
    } else {
        Errno::EINVAL
    }
}

/// What a peek says that did not find the value.
#[cold]
#[inline(never)]
fn has_another(word: u64) -> Result<bool, NotThere> {
    if word > u64::from(u32::MAX) {
        Err(NotThere)
    } else {
        Ok(false)
    }
}

/// The page of a word has not been made yet, or there is none.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NotThere;

/// Writes eight bytes.
///
/// # Errors
/// `EFAULT` if they cannot be written.
#[inline]
pub(crate) fn store_u64(to: u64, value: u64) -> Result<(), Errno> {
    let range = check(to, 8)?;
    // SAFETY: one store to user memory.
    let failed = unsafe { user_store(range.start(), value) };
    all_done(failed)
}

/// Asks whether a few bytes, at most a page, can be written, and makes their pages; changes nothing.
///
/// # Errors
/// `EFAULT` if they cannot. What is so now may not be so later.
#[inline]
pub(crate) fn probe(at: u64, len: u64) -> Result<(), Errno> {
    let range = check(at, len)?;
    for byte in [range.start(), range.start() + len - 1] {
        // SAFETY: one atomic access to user memory that changes nothing.
        all_done(unsafe { user_probe(byte) })?;
    }
    Ok(())
}

/// Copies a text that ends with a NUL, which does not count.
///
/// # Errors
/// `EFAULT` if it cannot be read to its end, `ENAMETOOLONG` if it does not end within `buffer`.
pub(crate) fn copy_text(from: u64, buffer: &mut [MaybeUninit<u8>]) -> Result<&[u8], Errno> {
    let reachable = USER_END.saturating_sub(from);
    let len = (buffer.len() as u64).min(reachable);
    check(from, len.max(1))?;
    // SAFETY: reads user memory only, writes at most `len` bytes of the slice; a fault ends it.
    let found = unsafe { user_text(buffer.as_mut_ptr() as u64, from, len) };
    if found < len {
        // SAFETY: as many have been written.
        Ok(unsafe { buffer[..found as usize].assume_init_ref() })
    } else if found == len && len == buffer.len() as u64 {
        Err(Errno::ENAMETOOLONG)
    } else {
        Err(Errno::EFAULT)
    }
}

/// Room for a text of less than `N` bytes.
pub(crate) struct Text<const N: usize>([MaybeUninit<u8>; N]);

impl<const N: usize> Text<N> {
    /// With nothing in it.
    #[inline]
    pub(crate) fn new() -> Self {
        Self([const { MaybeUninit::uninit() }; N])
    }

    /// As [`copy_text`].
    ///
    /// # Errors
    /// See there.
    #[inline]
    pub(crate) fn copy_in(&mut self, from: u64) -> Result<&[u8], Errno> {
        copy_text(from, &mut self.0)
    }
}
