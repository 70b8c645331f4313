//! The names of a file system: directories, what is in them, and how a path leads to it.
//!
//! The tree knows names only: what a leaf is (a file, a named pipe) is its user's type `L`, a handle
//! that can be cloned. So the tree stands under one lock, held for a lookup, and each file under one
//! of its own.
//!
//! # States
//! A directory is named by a number and a generation. Once it is removed, every older handle to it
//! (a working directory, an open descriptor) finds [`PathError::NotFound`]; nothing has to be counted,
//! and a number used again never confuses two directories.
//!
//! Entries of a directory carry a rising sequence number, by which it is listed: whoever lists it in
//! pieces sees each entry that stays exactly once, whatever comes and goes meanwhile.

use alloc::{boxed::Box, collections::BTreeMap, vec::Vec};

/// The greatest length of a name.
pub const NAME_MAX: usize = 255;

/// The sequence numbers of the two entries that every directory has.
const DOT: u64 = 1;
const DOT_DOT: u64 = 2;

/// Names a directory, for as long as it is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DirectoryId {
    place: u32,
    generation: u32,
}

/// What a path leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found<L> {
    /// A directory.
    Directory(DirectoryId),
    /// Something else.
    Leaf(L),
}

/// Why a path leads nowhere, or nothing could be changed there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathError {
    /// A part of the path does not exist, or has been removed.
    NotFound,
    /// A part of the path that must be a directory is none.
    NotADirectory,
    /// A name is too long.
    NameTooLong,
    /// There is something of this name.
    Exists,
    /// The directory to be removed has entries.
    NotEmpty,
    /// The root, `.` and `..` cannot be removed.
    Busy,
    /// There are too many files and directories, or there is no memory for another.
    Full,
}

/// An entry of a directory, as it is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listed<'a> {
    /// Where the listing goes on after this entry.
    pub position: u64,
    /// The number of the file or directory, unique among those that exist.
    pub inode: u64,
    /// Its name.
    pub name: &'a [u8],
}

#[derive(Debug)]
struct Directory {
    parent: DirectoryId,
    /// Names to sequence numbers.
    names: BTreeMap<Box<[u8]>, u64>,
    /// Sequence numbers to places, and the names again.
    entries: BTreeMap<u64, (u32, Box<[u8]>)>,
    next_sequence: u64,
}

impl Directory {
    fn new(parent: DirectoryId) -> Self {
        Self {
            parent,
            names: BTreeMap::new(),
            entries: BTreeMap::new(),
            next_sequence: DOT_DOT + 1,
        }
    }

    fn find(&self, name: &[u8]) -> Option<u32> {
        let sequence = self.names.get(name)?;
        self.entries.get(sequence).map(|(place, _)| *place)
    }

    fn insert(&mut self, name: &[u8], place: u32) {
        self.names.insert(name.into(), self.next_sequence);
        self.entries
            .insert(self.next_sequence, (place, name.into()));
        self.next_sequence += 1;
    }

    fn remove(&mut self, name: &[u8]) {
        if let Some(sequence) = self.names.remove(name) {
            self.entries.remove(&sequence);
        }
    }
}

#[derive(Debug)]
enum Node<L> {
    Free,
    Directory(Directory),
    Leaf(L),
}

#[derive(Debug)]
struct Place<L> {
    generation: u32,
    node: Node<L>,
}

/// A tree of names.
#[derive(Debug)]
pub struct Tree<L> {
    places: Vec<Place<L>>,
    free: Vec<u32>,
    limit: usize,
}

/// The last part of a path, and the directory it is in.
struct Last<'a> {
    directory: DirectoryId,
    name: &'a [u8],
    /// The path ends with a slash: only a directory will do.
    slash: bool,
}

impl<L: Clone> Tree<L> {
    /// A tree with an empty root, for at most `limit` files and directories.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        let root = DirectoryId {
            place: 0,
            generation: 0,
        };
        Self {
            places: alloc::vec![Place {
                generation: 0,
                node: Node::Directory(Directory::new(root)),
            }],
            free: Vec::new(),
            limit,
        }
    }

    /// The directory that every absolute path starts from.
    #[must_use]
    pub fn root(&self) -> DirectoryId {
        DirectoryId {
            place: 0,
            generation: self.places[0].generation,
        }
    }

    /// How many files and directories there are, the root included.
    #[must_use]
    pub fn count(&self) -> usize {
        self.places.len() - self.free.len()
    }

    /// What `path` leads to, from `at` unless it starts with a slash.
    ///
    /// # Errors
    /// [`PathError::NotFound`], [`PathError::NotADirectory`], [`PathError::NameTooLong`].
    pub fn find(&self, at: DirectoryId, path: &[u8]) -> Result<Found<L>, PathError> {
        let last = self.last(at, path)?;
        let place = self.step(last.directory, last.name)?;
        match &self.places[place as usize].node {
            Node::Directory(_) => Ok(Found::Directory(self.id(place))),
            Node::Leaf(_) if last.slash => Err(PathError::NotADirectory),
            Node::Leaf(leaf) => Ok(Found::Leaf(leaf.clone())),
            Node::Free => Err(PathError::NotFound),
        }
    }

    /// The number of what `path` leads to.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn inode(&self, at: DirectoryId, path: &[u8]) -> Result<u64, PathError> {
        let last = self.last(at, path)?;
        self.step(last.directory, last.name).map(inode_of)
    }

    /// Adds a leaf.
    ///
    /// # Errors
    /// As [`find`](Self::find), and [`PathError::Exists`], [`PathError::Full`].
    pub fn create(&mut self, at: DirectoryId, path: &[u8], leaf: L) -> Result<u64, PathError> {
        let last = self.last(at, path)?;
        if last.slash {
            return Err(match self.step(last.directory, last.name) {
                Ok(_) => PathError::Exists,
                Err(error) => error,
            });
        }
        self.add(last, |_| Node::Leaf(leaf)).map(inode_of)
    }

    /// Adds an empty directory.
    ///
    /// # Errors
    /// As [`create`](Self::create).
    pub fn create_directory(
        &mut self,
        at: DirectoryId,
        path: &[u8],
    ) -> Result<DirectoryId, PathError> {
        let last = self.last(at, path)?;
        let place = self.add(last, |parent| Node::Directory(Directory::new(parent)))?;
        Ok(self.id(place))
    }

    /// Removes a leaf or an empty directory; a leaf is returned, to be dropped outside of the lock.
    ///
    /// # Errors
    /// As [`find`](Self::find), and [`PathError::NotEmpty`], [`PathError::Busy`].
    pub fn remove(&mut self, at: DirectoryId, path: &[u8]) -> Result<Option<L>, PathError> {
        let last = self.last(at, path)?;
        let place = self.step(last.directory, last.name)?;
        if matches!(last.name, b"" | b"." | b"..") {
            return Err(PathError::Busy);
        }
        match &self.places[place as usize].node {
            Node::Directory(directory) if !directory.entries.is_empty() => {
                return Err(PathError::NotEmpty);
            }
            Node::Leaf(_) if last.slash => return Err(PathError::NotADirectory),
            _ => {}
        }
        let name = last.name;
        self.directory_mut(last.directory)?.remove(name);
        let gone = &mut self.places[place as usize];
        gone.generation = gone.generation.wrapping_add(1);
        let node = core::mem::replace(&mut gone.node, Node::Free);
        self.free.push(place);
        Ok(match node {
            Node::Leaf(leaf) => Some(leaf),
            Node::Directory(_) | Node::Free => None,
        })
    }

    /// Lists the entries of a directory that come after `position`, 0 for all; `.` and `..` first.
    ///
    /// # Errors
    /// [`PathError::NotFound`] if it has been removed.
    pub fn list(
        &self,
        id: DirectoryId,
        position: u64,
    ) -> Result<impl Iterator<Item = Listed<'_>>, PathError> {
        let directory = self.directory(id)?;
        let dots: [(u64, u32, &[u8]); 2] = [
            (DOT, id.place, b"."),
            (DOT_DOT, directory.parent.place, b".."),
        ];
        let dots = dots.into_iter().filter(move |(at, ..)| *at > position);
        let entries = directory
            .entries
            .range(position.saturating_add(1)..)
            .map(|(at, (place, name))| (*at, *place, &**name));
        Ok(dots.chain(entries).map(|(position, place, name)| Listed {
            position,
            inode: inode_of(place),
            name,
        }))
    }

    fn id(&self, place: u32) -> DirectoryId {
        DirectoryId {
            place,
            generation: self.places[place as usize].generation,
        }
    }

    fn directory(&self, id: DirectoryId) -> Result<&Directory, PathError> {
        let place = &self.places[id.place as usize];
        match &place.node {
            Node::Directory(directory) if place.generation == id.generation => Ok(directory),
            _ => Err(PathError::NotFound),
        }
    }

    fn directory_mut(&mut self, id: DirectoryId) -> Result<&mut Directory, PathError> {
        let place = &mut self.places[id.place as usize];
        match &mut place.node {
            Node::Directory(directory) if place.generation == id.generation => Ok(directory),
            _ => Err(PathError::NotFound),
        }
    }

    /// Where one name leads to from a directory; the empty name to the directory itself.
    fn step(&self, at: DirectoryId, name: &[u8]) -> Result<u32, PathError> {
        let directory = self.directory(at)?;
        match name {
            b"" | b"." => Ok(at.place),
            b".." => Ok(directory.parent.place),
            _ if name.len() > NAME_MAX => Err(PathError::NameTooLong),
            _ => directory.find(name).ok_or(PathError::NotFound),
        }
    }

    /// Walks to the directory that holds a path's last part.
    fn last<'a>(&self, at: DirectoryId, path: &'a [u8]) -> Result<Last<'a>, PathError> {
        if path.is_empty() {
            return Err(PathError::NotFound);
        }
        let mut directory = if path[0] == b'/' { self.root() } else { at };
        self.directory(directory)?;
        let slash = path.ends_with(b"/");
        let mut parts = path.split(|byte| *byte == b'/').filter(|p| !p.is_empty());
        let mut name: &[u8] = parts.next().unwrap_or_default();
        for next in parts {
            let place = self.step(directory, name)?;
            if !matches!(self.places[place as usize].node, Node::Directory(_)) {
                return Err(PathError::NotADirectory);
            }
            directory = self.id(place);
            name = next;
        }
        Ok(Last {
            directory,
            name,
            slash,
        })
    }

    fn add(
        &mut self,
        last: Last<'_>,
        node: impl FnOnce(DirectoryId) -> Node<L>,
    ) -> Result<u32, PathError> {
        match self.step(last.directory, last.name) {
            Ok(_) => return Err(PathError::Exists),
            Err(PathError::NotFound) => {}
            Err(error) => return Err(error),
        }
        if self.count() >= self.limit {
            return Err(PathError::Full);
        }
        // For its place, and for its removal.
        let places = self.places.len() + 1;
        let more = places - self.free.len();
        self.places
            .try_reserve(1)
            .and_then(|()| self.free.try_reserve(more))
            .map_err(|_| PathError::Full)?;
        let node = node(last.directory);
        let place = match self.free.pop() {
            Some(place) => {
                self.places[place as usize].node = node;
                place
            }
            None => {
                self.places.push(Place {
                    generation: 0,
                    node,
                });
                (self.places.len() - 1) as u32
            }
        };
        self.directory_mut(last.directory)?.insert(last.name, place);
        Ok(place)
    }
}

fn inode_of(place: u32) -> u64 {
    u64::from(place) + 1
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::BTreeMap, string::String, vec, vec::Vec};

    use proptest::prelude::*;

    use super::*;

    fn names<L: Clone>(tree: &Tree<L>, id: DirectoryId) -> Vec<Vec<u8>> {
        tree.list(id, 0)
            .unwrap()
            .map(|entry| entry.name.to_vec())
            .collect()
    }

    #[test]
    fn paths_lead_where_they_say() {
        let mut tree = Tree::new(100);
        let root = tree.root();
        let etc = tree.create_directory(root, b"/etc").unwrap();
        let deep = tree.create_directory(etc, b"deep/").unwrap();
        tree.create(deep, b"file", 7).unwrap();
        for path in [
            "/etc/deep/file",
            "etc//deep/./file",
            "/etc/deep/../../etc/deep/file",
            "/../etc/deep/file",
        ] {
            assert_eq!(
                tree.find(root, path.as_bytes()),
                Ok(Found::Leaf(7)),
                "{path}"
            );
        }
        assert_eq!(tree.find(deep, b"file"), Ok(Found::Leaf(7)));
        assert_eq!(tree.find(deep, b".."), Ok(Found::Directory(etc)));
        assert_eq!(tree.find(deep, b"/"), Ok(Found::Directory(root)));
        assert_eq!(tree.find(deep, b""), Err(PathError::NotFound));
        assert_eq!(tree.find(deep, b"file/"), Err(PathError::NotADirectory));
        assert_eq!(tree.find(deep, b"file/x"), Err(PathError::NotADirectory));
        assert_eq!(tree.find(deep, b"file/.."), Err(PathError::NotADirectory));
        assert_eq!(tree.find(deep, b"no/x"), Err(PathError::NotFound));
        assert_eq!(tree.find(deep, &[b'a'; 256]), Err(PathError::NameTooLong));
        assert_eq!(tree.find(deep, &[b'a'; 255]), Err(PathError::NotFound));
    }

    #[test]
    fn what_cannot_be_made_or_removed_stays_as_it_is() {
        let mut tree = Tree::new(4);
        let root = tree.root();
        let dir = tree.create_directory(root, b"dir").unwrap();
        tree.create(dir, b"file", 1).unwrap();
        for path in ["dir", "dir/", ".", "..", "/", "dir/file", "dir/file/.."] {
            let error = tree.create(root, path.as_bytes(), 2).unwrap_err();
            let expected = match path {
                "dir/file/.." => PathError::NotADirectory,
                _ => PathError::Exists,
            };
            assert_eq!(error, expected, "{path}");
        }
        assert_eq!(tree.create(root, b"new/", 2), Err(PathError::NotFound));
        assert_eq!(tree.remove(root, b"dir"), Err(PathError::NotEmpty));
        for path in [".", "..", "/", "dir/..", "dir/."] {
            assert_eq!(
                tree.remove(root, path.as_bytes()),
                Err(PathError::Busy),
                "{path}"
            );
        }
        assert_eq!(
            tree.remove(root, b"dir/file/"),
            Err(PathError::NotADirectory)
        );
        tree.create(root, b"last", 3).unwrap();
        assert_eq!(tree.create(root, b"more", 3), Err(PathError::Full));
        assert_eq!(tree.remove(root, b"last"), Ok(Some(3)));
        assert_eq!(tree.remove(root, b"dir/file"), Ok(Some(1)));
        assert_eq!(tree.remove(root, b"dir"), Ok(None));
        assert_eq!(tree.count(), 1);
    }

    #[test]
    fn a_removed_directory_is_not_found_even_when_its_number_is_used_again() {
        let mut tree = Tree::new(10);
        let root = tree.root();
        let old = tree.create_directory(root, b"old").unwrap();
        tree.remove(root, b"old").unwrap();
        let new = tree.create_directory(root, b"new").unwrap();
        assert_eq!(old.place, new.place);
        for path in [".", "..", "x"] {
            assert_eq!(
                tree.find(old, path.as_bytes()),
                Err(PathError::NotFound),
                "{path}"
            );
        }
        assert_eq!(tree.create(old, b"x", 0), Err(PathError::NotFound));
        assert!(tree.list(old, 0).is_err());
        assert_eq!(tree.find(old, b"/new"), Ok(Found::Directory(new)));
    }

    #[test]
    fn a_listing_in_pieces_shows_each_entry_that_stays_once() {
        let mut tree = Tree::new(100);
        let root = tree.root();
        for name in ["c", "a", "b", "d"] {
            tree.create(root, name.as_bytes(), 0).unwrap();
        }
        let mut position = 0;
        let mut seen = vec![];
        for _ in 0..4 {
            let (at, name) = {
                let mut list = tree.list(root, position).unwrap();
                let entry = list.next().unwrap();
                (
                    entry.position,
                    String::from_utf8_lossy(entry.name).into_owned(),
                )
            };
            position = at;
            seen.push(name);
        }
        assert_eq!(seen, [".", "..", "c", "a"]);
        tree.remove(root, b"c").unwrap();
        tree.create(root, b"new", 0).unwrap();
        let rest: Vec<_> = tree.list(root, position).unwrap().map(|e| e.name).collect();
        assert_eq!(rest, [b"b" as &[u8], b"d", b"new"]);
        assert_eq!(tree.list(root, u64::MAX).unwrap().count(), 0);
    }

    /// The plain model: whole paths to leaves or directories.
    type Plain = BTreeMap<String, Option<u8>>;

    proptest! {
        #[test]
        fn behaves_like_a_map_of_whole_paths(
            ops in proptest::collection::vec(
                (0..4u8, proptest::collection::vec(0..3usize, 1..4), any::<u8>()), 0..60)
        ) {
            let mut tree = Tree::new(1000);
            let mut plain = Plain::new();
            let root = tree.root();
            for (op, parts, value) in ops {
                let parts: Vec<&str> = parts.iter().map(|part| ["a", "b", "c"][*part]).collect();
                let path = parts.join("/");
                // What lies above must exist and be directories.
                let mut above = Ok(());
                for len in 1..parts.len() {
                    match plain.get(&parts[..len].join("/")) {
                        Some(None) => {}
                        Some(Some(_)) => { above = Err(PathError::NotADirectory); break }
                        None => { above = Err(PathError::NotFound); break }
                    }
                }
                let found = above.and_then(|()| plain.get(&path).copied().ok_or(PathError::NotFound));
                match op {
                    0 | 1 => {
                        let expected = match found {
                            Ok(_) => Err(PathError::Exists),
                            Err(_) => above,
                        };
                        let leaf = (op == 0).then_some(value);
                        let done = match leaf {
                            Some(leaf) => tree.create(root, path.as_bytes(), leaf).map(drop),
                            None => tree.create_directory(root, path.as_bytes()).map(drop),
                        };
                        prop_assert_eq!(done, expected);
                        if done.is_ok() {
                            plain.insert(path, leaf);
                        }
                    }
                    2 => {
                        let below = std::format!("{path}/");
                        let expected = match found {
                            Ok(None) if plain.keys().any(|key| key.starts_with(&below)) => {
                                Err(PathError::NotEmpty)
                            }
                            other => other,
                        };
                        prop_assert_eq!(tree.remove(root, path.as_bytes()), expected);
                        if expected.is_ok() {
                            plain.remove(&path);
                        }
                    }
                    _ => match tree.find(root, path.as_bytes()) {
                        Ok(Found::Leaf(leaf)) => prop_assert_eq!(found, Ok(Some(leaf))),
                        Ok(Found::Directory(id)) => {
                            prop_assert_eq!(found, Ok(None));
                            let below = std::format!("{path}/");
                            let inside = plain.keys()
                                .filter_map(|key| key.strip_prefix(&below))
                                .filter(|rest| !rest.contains('/'))
                                .count();
                            prop_assert_eq!(names(&tree, id).len(), inside + 2);
                        }
                        Err(error) => prop_assert_eq!(found, Err(error)),
                    },
                }
                prop_assert_eq!(tree.count(), plain.len() + 1);
            }
        }
    }
}
