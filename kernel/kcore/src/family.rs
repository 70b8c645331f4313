//! The processes: who is whose child, how each has ended, and who is told.
//!
//! # States
//! A member *lives* until [`end`](Family::end). Then it is a *zombie*: only its number and the way it
//! ended are kept, until its parent takes them with [`take_news`](Family::take_news). A living member
//! may have other news for its parent: it has been stopped, or goes on.
//!
//! # Protocol
//! Numbers rise, and start again behind the greatest; one that is in use is passed over. The first
//! member, [`INIT`], adopts the children of whoever ends.

use alloc::{collections::BTreeMap, vec::Vec};

/// The number of the first member.
pub const INIT: u32 = 1;

/// How a process has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// By itself, with this status.
    Exited(i32),
    /// It did something that the processor refused; this signal names it.
    Faulted(u8),
    /// By this signal, from another.
    Killed(u8),
}

impl Ending {
    /// The status that is shown where only a number can be.
    #[must_use]
    pub const fn status(self) -> i32 {
        match self {
            Self::Exited(status) => status,
            Self::Faulted(_) => -1,
            Self::Killed(signal) => 128 + signal as i32,
        }
    }
}

/// What a parent can be told about a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// It has ended.
    Ended(Ending),
    /// This signal has stopped it.
    Stopped(u8),
    /// It goes on.
    Continued,
}

impl News {
    /// Two words, as programs see them: what has come, and the status or the signal.
    #[must_use]
    pub const fn to_words(self) -> [i32; 2] {
        match self {
            Self::Ended(Ending::Exited(status)) => [0, status],
            Self::Ended(Ending::Faulted(signal)) => [1, signal as i32],
            Self::Ended(Ending::Killed(signal)) => [2, signal as i32],
            Self::Stopped(signal) => [3, signal as i32],
            Self::Continued => [4, 0],
        }
    }
}

/// Which children a parent asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Which {
    /// Any.
    Any,
    /// The one with this number.
    One(u32),
}

/// There is no such child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoChild;

#[derive(Debug)]
struct Member<T> {
    /// `None` once it has ended.
    process: Option<T>,
    parent: u32,
    news: Option<News>,
}

/// All processes; `T` is a handle of one.
#[derive(Debug)]
pub struct Family<T> {
    members: BTreeMap<u32, Member<T>>,
    next: u32,
    most: usize,
}

impl<T: Clone> Family<T> {
    /// Nobody, and never more than `most`.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self {
            members: BTreeMap::new(),
            next: INIT,
            most,
        }
    }

    /// Adds a child of `parent`, which `make` makes for its number; `None` if there are too many.
    pub fn add(&mut self, parent: u32, make: impl FnOnce(u32) -> T) -> Option<T> {
        if self.members.len() >= self.most {
            return None;
        }
        while self.members.contains_key(&self.next) {
            self.next = Self::after(self.next);
        }
        let number = self.next;
        self.next = Self::after(number);
        let process = make(number);
        let member = Member {
            process: Some(process.clone()),
            parent,
            news: None,
        };
        self.members.insert(number, member);
        Some(process)
    }

    const fn after(number: u32) -> u32 {
        if number < i32::MAX as u32 {
            number + 1
        } else {
            INIT + 1
        }
    }

    /// Takes out a member that never lived.
    pub fn remove(&mut self, number: u32) {
        self.members.remove(&number);
    }

    /// The living member with this number.
    #[must_use]
    pub fn find(&self, number: u32) -> Option<&T> {
        self.members.get(&number)?.process.as_ref()
    }

    /// Whether the member has ended and waits for its parent.
    #[must_use]
    pub fn is_zombie(&self, number: u32) -> bool {
        self.members
            .get(&number)
            .is_some_and(|member| member.process.is_none())
    }

    /// The parent's number; 0 for the first member and for who is not there.
    #[must_use]
    pub fn parent_of(&self, number: u32) -> u32 {
        self.members.get(&number).map_or(0, |member| member.parent)
    }

    /// Ends a member: a zombie for its parent, or gone if nobody will ask. Its children become
    /// [`INIT`]'s, who may not ask either.
    ///
    /// Returns whom to wake: the parent, and `INIT` if it has adopted a zombie.
    ///
    /// # Panics
    /// If it has ended before.
    pub fn end(&mut self, number: u32, end: Ending, keep: Keep) -> Wake<T> {
        let mut adopted_zombie = false;
        self.members.retain(|_, child| {
            let is_zombie = child.process.is_none();
            if child.parent == number {
                child.parent = INIT;
                adopted_zombie |= child.news.is_some();
                return keep.by_first || !is_zombie;
            }
            true
        });
        let member = self.members.get_mut(&number);
        let member = member.expect("invariant: a living process is a member");
        let process = member.process.take();
        member.news = Some(News::Ended(end));
        let parent = member.parent;
        if !keep.by_parent {
            self.members.remove(&number);
        }
        Wake {
            ended: process.expect("invariant: a process ends once"),
            parent: self.find(parent).cloned(),
            init: adopted_zombie.then(|| self.find(INIT).cloned()).flatten(),
        }
    }

    /// Notes that a living member has been stopped or goes on; returns its parent, to be woken.
    pub fn note(&mut self, number: u32, news: News) -> Option<T> {
        let member = self.members.get_mut(&number)?;
        member.process.as_ref()?;
        member.news = Some(news);
        let parent = member.parent;
        self.find(parent).cloned()
    }

    /// The news of a child of `parent`, zombies first come; only of ended ones unless `all`. A zombie
    /// is gone afterwards.
    ///
    /// # Errors
    /// [`NoChild`] if there is none to wait for.
    pub fn take_news(
        &mut self,
        parent: u32,
        which: Which,
        all: bool,
    ) -> Result<Option<(u32, News)>, NoChild> {
        let mut any = false;
        let wanted = match which {
            Which::Any => 0..=u32::MAX,
            Which::One(number) => number..=number,
        };
        let mut found = None;
        for (number, member) in self.members.range_mut(wanted) {
            if member.parent != parent {
                continue;
            }
            any = true;
            match member.news {
                Some(news @ News::Ended(_)) => found = Some((*number, news)),
                Some(news) if all => {
                    member.news = None;
                    return Ok(Some((*number, news)));
                }
                _ => continue,
            }
            break;
        }
        if let Some((number, _)) = found {
            self.members.remove(&number);
        }
        if any { Ok(found) } else { Err(NoChild) }
    }

    /// Gives news back that could not be handed on. What has come since then counts more: news of a
    /// stop are kept only if there are none.
    pub fn put_back(&mut self, parent: u32, number: u32, news: News) {
        match (news, self.members.get_mut(&number)) {
            (News::Ended(_), None) => {
                let zombie = Member {
                    process: None,
                    parent,
                    news: Some(news),
                };
                self.members.insert(number, zombie);
            }
            (News::Stopped(_) | News::Continued, Some(member)) => {
                member.news.get_or_insert(news);
            }
            // Another has the number since, or nobody lives whose stop this would be.
            (News::Ended(_), Some(_)) | (_, None) => {}
        }
    }

    /// The numbers of all members, ended ones included, in order.
    #[must_use]
    pub fn numbers(&self) -> Vec<u32> {
        self.members.keys().copied().collect()
    }
}

/// Who will ask how a process has ended.
#[derive(Clone, Copy, Debug)]
pub struct Keep {
    /// Its parent.
    pub by_parent: bool,
    /// The first process, which adopts its children.
    pub by_first: bool,
}

/// Whom the end of a process concerns.
#[derive(Debug)]
pub struct Wake<T> {
    /// The process itself: the family's share of it.
    pub ended: T,
    /// Its parent.
    pub parent: Option<T>,
    /// The first process, if it has adopted a zombie.
    pub init: Option<T>,
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    const ALL: Keep = Keep {
        by_parent: true,
        by_first: true,
    };
    const NOT_BY_PARENT: Keep = Keep {
        by_parent: false,
        ..ALL
    };

    fn family() -> Family<char> {
        let mut family = Family::new(4);
        assert_eq!(family.add(0, |n| (b'a' + n as u8 - 1) as char), Some('a'));
        family
    }

    #[test]
    fn a_zombie_is_there_until_its_parent_asks_once() {
        let mut family = family();
        family.add(INIT, |_| 'b');
        assert_eq!(family.take_news(INIT, Which::Any, false), Ok(None));
        let wake = family.end(2, Ending::Exited(7), ALL);
        assert_eq!((wake.ended, wake.parent, wake.init), ('b', Some('a'), None));
        assert!(family.is_zombie(2) && family.find(2).is_none());
        assert_eq!(family.take_news(INIT, Which::One(3), false), Err(NoChild));
        let news = News::Ended(Ending::Exited(7));
        assert_eq!(
            family.take_news(INIT, Which::One(2), false),
            Ok(Some((2, news)))
        );
        assert_eq!(family.take_news(INIT, Which::Any, false), Err(NoChild));
        family.put_back(INIT, 2, news);
        assert_eq!(
            family.take_news(INIT, Which::Any, false),
            Ok(Some((2, news)))
        );
    }

    #[test]
    fn orphans_become_the_first_ones_children() {
        let mut family = family();
        family.add(INIT, |_| 'b');
        family.add(2, |_| 'c');
        family.add(2, |_| 'd');
        family.end(4, Ending::Killed(9), ALL);
        let wake = family.end(2, Ending::Faulted(11), NOT_BY_PARENT);
        assert_eq!(wake.init, Some('a'), "d was a zombie");
        assert_eq!(family.numbers(), [1, 3, 4]);
        assert_eq!(family.parent_of(3), INIT);
        let killed = News::Ended(Ending::Killed(9));
        assert_eq!(
            family.take_news(INIT, Which::Any, false),
            Ok(Some((4, killed)))
        );
    }

    #[test]
    fn zombies_that_the_first_one_adopts_but_does_not_ask_for_are_gone() {
        let mut family = family();
        family.add(INIT, |_| 'b');
        family.add(2, |_| 'c');
        family.add(2, |_| 'd');
        family.end(4, Ending::Killed(9), ALL);
        let keep = Keep {
            by_first: false,
            ..ALL
        };
        family.end(2, Ending::Exited(0), keep);
        assert_eq!(family.numbers(), [1, 2, 3], "c lives, b is INIT's own");
    }

    #[test]
    fn news_that_come_back_do_not_hide_newer_ones() {
        let mut family = family();
        family.add(INIT, |_| 'b');
        let stopped = News::Stopped(19);
        let take = |family: &mut Family<char>| family.take_news(INIT, Which::Any, true);
        family.note(2, stopped);
        assert_eq!(take(&mut family), Ok(Some((2, stopped))));
        family.put_back(INIT, 2, stopped);
        assert_eq!(take(&mut family), Ok(Some((2, stopped))));
        family.end(2, Ending::Exited(3), ALL);
        family.put_back(INIT, 2, stopped);
        let ended = News::Ended(Ending::Exited(3));
        assert_eq!(take(&mut family), Ok(Some((2, ended))));
        family.put_back(INIT, 2, stopped);
        assert_eq!(take(&mut family), Err(NoChild), "it is gone");
    }

    #[test]
    fn a_full_family_says_so_and_numbers_are_not_reused_at_once() {
        let mut family = family();
        for _ in 0..3 {
            assert!(family.add(INIT, |_| 'x').is_some());
        }
        assert_eq!(family.add(INIT, |_| 'x'), None);
        family.end(3, Ending::Exited(0), NOT_BY_PARENT);
        family.add(INIT, |n| {
            assert_eq!(n, 5);
            'y'
        });
        family.remove(5);
        family.next = i32::MAX as u32;
        let mut numbers = Vec::new();
        for _ in 0..1 {
            family.add(INIT, |n| {
                numbers.push(n);
                'z'
            });
        }
        assert_eq!(numbers, [i32::MAX as u32]);
        family.remove(i32::MAX as u32);
        family.add(INIT, |n| {
            assert_eq!(n, 3, "1 and 2 are in use");
            'z'
        });
    }

    #[test]
    fn stops_are_news_for_those_who_ask_for_them() {
        let mut family = family();
        family.add(INIT, |_| 'b');
        assert_eq!(family.note(2, News::Stopped(19)), Some('a'));
        assert_eq!(family.take_news(INIT, Which::Any, false), Ok(None));
        assert_eq!(
            family.take_news(INIT, Which::Any, true),
            Ok(Some((2, News::Stopped(19))))
        );
        assert_eq!(family.take_news(INIT, Which::Any, true), Ok(None));
        family.end(2, Ending::Exited(0), ALL);
        assert_eq!(family.note(2, News::Continued), None, "it has ended");
    }
}
