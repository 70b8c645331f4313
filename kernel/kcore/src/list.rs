//! Queues of threads that need no memory of their own: each thread carries the link to the next.
//!
//! A thread can stand in a run queue and in a waiting queue at once (a wake-up may come for a wait
//! that ended otherwise), so it has a link for each kind; `L` says which one a list uses. Only the
//! holder of the list's lock touches the links of the threads in it.

use core::marker::PhantomData;

/// The link of run queues.
#[derive(Clone, Copy, Debug)]
pub struct RunLink;
/// The link of waiting queues.
#[derive(Clone, Copy, Debug)]
pub struct WaitLink;

/// Something that carries a link of the kind `L`.
pub trait Linked<L>: Clone {
    /// The next one in the list.
    fn next(&self) -> Option<Self>;
    /// Sets the next one.
    fn set_next(&self, next: Option<Self>);
}

/// First in, first out.
#[derive(Debug)]
pub struct List<T, L> {
    head: Option<T>,
    tail: Option<T>,
    link: PhantomData<L>,
}

impl<T: Linked<L>, L> List<T, L> {
    /// An empty list.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            head: None,
            tail: None,
            link: PhantomData,
        }
    }

    /// Whether there is none.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.head.is_none()
    }

    /// Adds one at the end.
    #[inline]
    pub fn push_back(&mut self, item: T) {
        item.set_next(None);
        match self.tail.replace(item.clone()) {
            Some(last) => last.set_next(Some(item)),
            None => self.head = Some(item),
        }
    }

    /// Adds at the start.
    #[inline]
    pub fn push_front(&mut self, item: T) {
        item.set_next(self.head.take());
        if self.tail.is_none() {
            self.tail = Some(item.clone());
        }
        self.head = Some(item);
    }

    /// Takes the first.
    #[inline]
    pub fn pop_front(&mut self) -> Option<T> {
        let first = self.head.clone()?;
        self.head = first.next();
        if self.head.is_none() {
            self.tail = None;
        }
        Some(first)
    }

    /// How many fit.
    pub fn count(&self, fits: impl Fn(&T) -> bool) -> usize {
        let items = core::iter::successors(self.head.clone(), Linked::next);
        items.filter(fits).count()
    }

    /// Takes the first that fits.
    #[inline]
    pub fn take_first(&mut self, fits: impl Fn(&T) -> bool) -> Option<T> {
        if fits(self.head.as_ref()?) {
            return self.pop_front();
        }
        let mut before = self.head.clone()?;
        loop {
            let item = before.next()?;
            if fits(&item) {
                let after = item.next();
                if after.is_none() {
                    self.tail = Some(before.clone());
                }
                before.set_next(after);
                return Some(item);
            }
            before = item;
        }
    }
}

impl<T: Linked<L>, L> Default for List<T, L> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use alloc::{collections::VecDeque, rc::Rc};
    use core::cell::RefCell;

    use super::*;

    struct Node(u32, RefCell<Option<Rc<Node>>>);

    impl Linked<RunLink> for Rc<Node> {
        fn next(&self) -> Option<Self> {
            self.1.borrow().clone()
        }
        fn set_next(&self, next: Option<Self>) {
            *self.1.borrow_mut() = next;
        }
    }

    #[test]
    fn behaves_like_a_plain_queue() {
        let mut list = List::<Rc<Node>, RunLink>::new();
        let mut plain = VecDeque::new();
        let mut seed = 1u32;
        for number in 0..5000 {
            seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            match seed >> 29 {
                0..=2 => {
                    list.push_back(Rc::new(Node(number, RefCell::new(None))));
                    plain.push_back(number);
                }
                3 => {
                    list.push_front(Rc::new(Node(number, RefCell::new(None))));
                    plain.push_front(number);
                }
                4 | 5 => assert_eq!(list.pop_front().map(|node| node.0), plain.pop_front()),
                _ => {
                    let rest = (seed >> 8) % 5;
                    let place = plain.iter().position(|n| n % 5 == rest);
                    let expected = place.and_then(|place| plain.remove(place));
                    let taken = list.take_first(|node| node.0 % 5 == rest);
                    assert_eq!(taken.map(|node| node.0), expected);
                }
            }
            assert_eq!(
                list.count(|node| node.0 % 2 == 0),
                plain.iter().filter(|n| *n % 2 == 0).count()
            );
            assert_eq!(list.count(|_| true), plain.len());
            assert_eq!(list.is_empty(), plain.is_empty());
        }
    }
}
