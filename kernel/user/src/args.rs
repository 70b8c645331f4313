//! The words of the command line that a program was started with.

use core::ffi::CStr;
use core::ffi::c_char;

/// The arguments of the program; word 0 is the program's own path.
#[derive(Clone, Copy, Debug)]
pub struct Args {
    count: usize,
    words: *const *const c_char,
}

impl Args {
    /// Takes the two registers that the kernel starts a program with.
    ///
    /// # Safety
    /// `words` must point to `count` pointers to NUL-terminated strings that live, unchanged, as
    /// long as the process.
    pub(crate) unsafe fn new(count: usize, words: *const *const c_char) -> Self {
        Self { count, words }
    }

    /// How many words there are, the program's path included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// Word `index`, or `None` past the end or where it is not UTF-8.
    #[must_use]
    pub fn get(&self, index: usize) -> Option<&'static str> {
        if index >= self.count {
            return None;
        }
        // SAFETY: `index` is below `count`, and `new` was promised `count` pointers.
        let slot = unsafe { self.words.add(index) };
        // SAFETY: `slot` is one of the pointers promised to `new`.
        let word = unsafe { slot.read() };
        // SAFETY: `new` was promised that each is a NUL-terminated string that is never changed.
        let text = unsafe { CStr::from_ptr(word) };
        text.to_str().ok()
    }

    /// Word `index` as a number, or `default` where it is missing.
    ///
    /// # Panics
    /// When the word is there and is no number.
    #[must_use]
    pub fn number(&self, index: usize, default: u64) -> u64 {
        self.get(index)
            .map_or(default, |word| word.parse().expect("argument is a number"))
    }
}
