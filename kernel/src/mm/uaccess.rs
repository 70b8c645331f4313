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
    // user_copy(rdi to, rsi from, rdx n) -> bytes not copied
    ".globl user_copy",
    "user_copy:",
    "mov rcx, rdx",
    "shr rcx, 3",
    "and edx, 7",
    "stac",
    ".globl user_copy_words",
    "user_copy_words:",
    "rep movsq",
    "mov ecx, edx",
    ".globl user_copy_bytes",
    "user_copy_bytes:",
    "rep movsb",
    "clac",
    "xor eax, eax",
    "ret",
    ".globl user_copy_words_failed",
    "user_copy_words_failed:",
    "lea rax, [rdx + rcx * 8]",
    "clac",
    "ret",
    ".globl user_copy_bytes_failed",
    "user_copy_bytes_failed:",
    "mov eax, ecx",
    "clac",
    "ret",
    // user_copy_now: the same as user_copy, but no page is made; all or an error
    ".globl user_copy_now",
    "user_copy_now:",
    "mov rcx, rdx",
    "shr rcx, 3",
    "and edx, 7",
    "stac",
    ".globl user_copy_now_words",
    "user_copy_now_words:",
    "rep movsq",
    "mov ecx, edx",
    ".globl user_copy_now_bytes",
    "user_copy_now_bytes:",
    "rep movsb",
    "clac",
    "xor eax, eax",
    "ret",
    ".globl user_copy_now_failed",
    "user_copy_now_failed:",
    "mov eax, 1",
    "clac",
    "ret",
    // user_load(rdi from) -> the 32-bit word, or 2^32
    ".globl user_load",
    "user_load:",
    "stac",
    ".globl user_load_word",
    "user_load_word:",
    "mov eax, [rdi]",
    "clac",
    "ret",
    // user_peek: the same, but no page is made
    ".globl user_peek",
    "user_peek:",
    "stac",
    ".globl user_peek_word",
    "user_peek_word:",
    "mov eax, [rdi]",
    "clac",
    "ret",
    ".globl user_load_failed",
    "user_load_failed:",
    "movabs rax, 0x100000000",
    "clac",
    "ret",
    // user_store(rdi to, rsi value) -> 0, or 1 if it failed
    ".globl user_store",
    "user_store:",
    "stac",
    ".globl user_store_word",
    "user_store_word:",
    "mov [rdi], rsi",
    "clac",
    "xor eax, eax",
    "ret",
    ".globl user_store_failed",
    "user_store_failed:",
    "mov eax, 1",
    "clac",
    "ret",
    // user_probe(rdi at) -> 0 if the byte can be written, or 1
    ".globl user_probe",
    "user_probe:",
    "stac",
    ".globl user_probe_byte",
    "user_probe_byte:",
    "lock or byte ptr [rdi], 0",
    "clac",
    "xor eax, eax",
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
    "jb user_text_byte",
    "mov eax, esi",
    "and eax, 0xfff",
    "cmp eax, 0xff0",
    "ja user_text_byte",
    ".globl user_text_words",
    "user_text_words:",
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
    ".globl user_text_byte",
    "user_text_byte:",
    "lodsb",
    "stosb",
    "test al, al",
    "jz 5f",
    "dec rcx",
    "jnz 2b",
    "5:",
    "xor eax, eax",
    "jmp 4b",
    ".globl user_text_failed",
    "user_text_failed:",
    "mov rax, -1",
    "clac",
    "ret",
);

unsafe extern "C" {
    fn user_copy(to: u64, from: u64, len: u64) -> u64;
    fn user_copy_now(to: u64, from: u64, len: u64) -> u64;
    fn user_load(from: u64) -> u64;
    fn user_peek(from: u64) -> u64;
    fn user_store(to: u64, value: u64) -> u64;
    fn user_probe(at: u64) -> u64;
    fn user_text(to: u64, from: u64, len: u64) -> u64;

    static user_copy_words: u8;
    static user_copy_bytes: u8;
    static user_copy_words_failed: u8;
    static user_copy_bytes_failed: u8;
    static user_copy_now_words: u8;
    static user_copy_now_bytes: u8;
    static user_copy_now_failed: u8;
    static user_load_word: u8;
    static user_peek_word: u8;
    static user_load_failed: u8;
    static user_store_word: u8;
    static user_store_failed: u8;
    static user_probe_byte: u8;
    static user_text_words: u8;
    static user_text_byte: u8;
    static user_text_failed: u8;
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
    let make_page = [
        (
            &raw const user_copy_words,
            &raw const user_copy_words_failed,
        ),
        (
            &raw const user_copy_bytes,
            &raw const user_copy_bytes_failed,
        ),
        (&raw const user_load_word, &raw const user_load_failed),
        (&raw const user_store_word, &raw const user_store_failed),
        (&raw const user_probe_byte, &raw const user_store_failed),
        (&raw const user_text_words, &raw const user_text_failed),
        (&raw const user_text_byte, &raw const user_text_failed),
    ];
    if rip == (&raw const user_peek_word) as u64 {
        return Some(Recovery::Skip((&raw const user_load_failed) as u64));
    }
    let now = [
        &raw const user_copy_now_words,
        &raw const user_copy_now_bytes,
    ];
    if now.into_iter().any(|touching| touching as u64 == rip) {
        return Some(Recovery::Skip((&raw const user_copy_now_failed) as u64));
    }
    let touching = make_page
        .into_iter()
        .find(|(touching, _)| *touching as u64 == rip);
    touching.map(|(_, failed)| Recovery::MakePage(failed as u64))
}

fn check(address: u64, len: u64) -> Result<UserRange, Errno> {
    UserRange::new(address, len).ok_or(Errno::EFAULT)
}

/// Copies into user memory.
///
/// # Errors
/// `EFAULT` if not all of it could be written; a part may have been, if the range is user memory.
pub(crate) fn copy_out(to: u64, bytes: &[u8]) -> Result<(), Errno> {
    let range = check(to, bytes.len() as u64)?;
    // SAFETY: reads a slice, writes user memory only; a fault ends it early.
    let left = unsafe { user_copy(range.start(), bytes.as_ptr() as u64, range.len()) };
    if left == 0 {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
}

/// Copies from user memory.
///
/// # Errors
/// `EFAULT` if not all of it could be read.
pub(crate) fn copy_in(from: u64, bytes: &mut [u8]) -> Result<(), Errno> {
    let range = check(from, bytes.len() as u64)?;
    // SAFETY: reads user memory only, writes a slice; a fault ends it early.
    let left = unsafe { user_copy(bytes.as_mut_ptr() as u64, range.start(), range.len()) };
    if left == 0 {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
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
    if failed == 0 {
        Ok(())
    } else {
        Err(Errno::EFAULT)
    }
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
        if unsafe { user_probe(byte) } != 0 {
            return Err(Errno::EFAULT);
        }
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
