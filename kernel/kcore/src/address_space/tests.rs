use std::{collections::BTreeMap, vec, vec::Vec};

use proptest::prelude::*;

use super::{Access, AddressSpace, FaultError};
use crate::{
    page_frame::PageFrame,
    page_table::{
        PageTable,
        host::{self, HostFrame},
    },
    region_map::RegionError,
    regions::{Backing, FileBytes, Protection, Region},
    user_range::{PAGE_SIZE, UserRange},
};

type Space = AddressSpace<HostFrame>;

const READ: Access = Access {
    write: false,
    execute: false,
};
const WRITE: Access = Access {
    write: true,
    execute: false,
};
const EXECUTE: Access = Access {
    write: false,
    execute: true,
};

/// A machine with so many frames; its kernel's page tables.
fn machine(frames: usize) -> PageTable<HostFrame> {
    host::begin(frames);
    PageTable::empty().unwrap()
}

fn region(start: u64, pages: u64, protection: Protection) -> Region {
    Region {
        range: UserRange::pages(start, pages * PAGE_SIZE).unwrap(),
        protection,
        backing: Backing::Zero,
        shared: false,
        dying: false,
    }
}

/// What a processor does that has nothing cached: asks the page tables, else faults once.
fn reach(space: &Space, address: u64, access: Access) -> Result<u64, FaultError> {
    let allowed = |space: &Space| {
        let memory = space.memory.lock();
        let page = address - address % PAGE_SIZE;
        let allows = memory.table.allows(page, access.write, access.execute);
        allows.then(|| memory.table.physical(address).unwrap())
    };
    if let Some(place) = allowed(space) {
        return Ok(place);
    }
    space.handle_fault(address, access)?;
    Ok(allowed(space).expect("the fault was handled"))
}

#[test]
fn pages_are_made_on_first_touch_and_go_with_their_mapping() {
    let kernel = machine(100);
    let before = host::used();
    let space = Space::new(1, kernel.root()).unwrap();
    space
        .map(region(0x5000, 4, Protection::READ_WRITE))
        .unwrap();
    let empty = host::used();
    let place = reach(&space, 0x6008, WRITE).unwrap();
    assert_eq!(host::byte(place), 0);
    host::set_byte(place, 9);
    assert_eq!(reach(&space, 0x6008, READ), Ok(place));
    // The page, and three levels of tables.
    assert_eq!(host::used() - empty, 4);
    assert!(host::forgets().is_empty(), "nobody knew anything");
    space.loaded().enter(2);
    space.unmap(0x5000).unwrap();
    assert_eq!(host::forgets(), [1 << 2]);
    assert_eq!(reach(&space, 0x6008, READ), Err(FaultError::NotAllowed));
    assert_eq!(space.unmap(0x5000), Err(RegionError::NotMapped));
    drop(space);
    assert_eq!(host::used(), before);
}

#[test]
fn a_mapping_without_pages_makes_nobody_forget() {
    let kernel = machine(100);
    let space = Space::new(1, kernel.root()).unwrap();
    space.map(region(0x5000, 4, Protection::READ)).unwrap();
    space.loaded().enter(0);
    space.unmap(0x5000).unwrap();
    assert!(host::forgets().is_empty());
}

#[test]
fn what_a_mapping_does_not_allow_is_refused() {
    let kernel = machine(100);
    let space = Space::new(1, kernel.root()).unwrap();
    space.map(region(0x5000, 1, Protection::READ)).unwrap();
    space
        .map(region(0x6000, 1, Protection::READ_WRITE))
        .unwrap();
    space
        .map(region(0x7000, 1, Protection::READ_EXECUTE))
        .unwrap();
    for (address, access) in [
        (0x5000, WRITE),
        (0x5000, EXECUTE),
        (0x6000, EXECUTE),
        (0x7000, WRITE),
        (0x4fff, READ),
        (0x8000, READ),
    ] {
        let refused = space.handle_fault(address, access);
        assert_eq!(refused, Err(FaultError::NotAllowed), "{address:#x}");
    }
    // Once it is there, too.
    for (address, access) in [(0x5000, READ), (0x6000, WRITE), (0x7000, EXECUTE)] {
        reach(&space, address, access).unwrap();
    }
    assert_eq!(reach(&space, 0x5000, WRITE), Err(FaultError::NotAllowed));
    assert_eq!(reach(&space, 0x6000, EXECUTE), Err(FaultError::NotAllowed));
    assert!(space.is_executable(0x7000) && !space.is_executable(0x6000));
    assert!(space.is_writable(0x6000, 4096) && !space.is_writable(0x5fff, 2));
}

#[test]
fn a_file_is_seen_where_it_was_put() {
    static BYTES: [u8; 3] = [1, 2, 3];
    let kernel = machine(100);
    let space = Space::new(1, kernel.root()).unwrap();
    let mut with_file = region(0x5000, 1, Protection::READ);
    with_file.backing = Backing::File(FileBytes {
        bytes: &BYTES,
        address: 0x5010,
    });
    space.map(with_file).unwrap();
    let place = reach(&space, 0x5012, READ).unwrap();
    assert_eq!((host::byte(place), host::byte(place + 1)), (3, 0));
    space.map(region(0x6000, 1, Protection::READ)).unwrap();
    space.preset(0x6000, &[5]).unwrap();
    assert_eq!(host::byte(reach(&space, 0x6000, READ).unwrap()), 5);
}

#[test]
fn out_of_memory_is_told_and_costs_nothing() {
    let kernel = machine(7);
    let space = Space::new(1, kernel.root()).unwrap();
    space
        .map(region(0x5000, 9, Protection::READ_WRITE))
        .unwrap();
    let made = (0..9)
        .take_while(|page| reach(&space, 0x5000 + page * PAGE_SIZE, WRITE).is_ok())
        .count();
    // Seven less two roots and three tables.
    assert_eq!((made, host::used()), (2, 7));
    let more = space.handle_fault(0xc000, WRITE);
    assert_eq!(more, Err(FaultError::OutOfMemory));
    assert!(space.fork(2, kernel.root()).is_err());
    assert_eq!(host::used(), 7);
    assert!(reach(&space, 0x5000, WRITE).is_ok(), "it is as it was");
    space.unmap(0x5000).unwrap();
    assert_eq!(host::used(), 5);
}

#[test]
fn shared_frames_are_seen_by_all_and_not_copied() {
    let kernel = machine(100);
    let space = Space::new(1, kernel.root()).unwrap();
    let mut shared = region(0x5000, 2, Protection::READ_WRITE);
    shared.shared = true;
    let frames: Vec<_> = (0..2).map(|_| HostFrame::zeroed().unwrap()).collect();
    let again = frames.iter().map(PageFrame::share).collect();
    assert!(!space.has_shares());
    space.map_frames(shared, frames).unwrap();
    assert!(space.has_shares());
    assert_eq!(
        space.map_frames(shared, again),
        Err(RegionError::Overlap),
        "and its frames are given back"
    );
    let child = space.fork(2, kernel.root()).unwrap();
    assert!(child.has_shares());
    let place = reach(&space, 0x5000, WRITE).unwrap();
    assert_eq!(reach(&child, 0x5000, WRITE), Ok(place));
    assert_eq!(child.shared_place(0x5004), Some(place + 4));
    drop(space);
    assert_eq!(host::owners(place), 1);
}

/// A space, what is cached of it on its CPU, and what a program believes to be there.
struct Process {
    space: Space,
    cpu: u32,
    cached: BTreeMap<(u64, bool), u64>,
    mapped: Vec<(u64, u64)>,
    bytes: BTreeMap<u64, u8>,
}

#[derive(Clone, Debug)]
enum Step {
    Map(usize, u64, u64),
    Unmap(usize, usize),
    Write(usize, u64, u8),
    Read(usize, u64),
    Fork(usize),
    End(usize),
}

const PAGES: u64 = 12;

fn step() -> impl Strategy<Value = Step> {
    let who = 0..4_usize;
    let page = 1..PAGES;
    prop_oneof![
        3 => (who.clone(), page.clone(), 1..4_u64).prop_map(|(a, b, c)| Step::Map(a, b, c)),
        2 => (who.clone(), 0..4_usize).prop_map(|(a, b)| Step::Unmap(a, b)),
        6 => (who.clone(), page.clone(), 1..=255_u8).prop_map(|(a, b, c)| Step::Write(a, b, c)),
        4 => (who.clone(), page).prop_map(|(a, b)| Step::Read(a, b)),
        2 => who.clone().prop_map(Step::Fork),
        1 => who.prop_map(Step::End),
    ]
}

impl Process {
    fn new(space: Space, cpu: u32) -> Self {
        space.loaded().enter(cpu);
        Self {
            space,
            cpu,
            cached: BTreeMap::new(),
            mapped: Vec::new(),
            bytes: BTreeMap::new(),
        }
    }

    fn is_mapped(&self, page: u64) -> bool {
        self.mapped
            .iter()
            .any(|(start, len)| (*start..start + len).contains(&page))
    }

    /// The place of a page's first byte, from what is cached if it is.
    fn reach(&mut self, page: u64, access: Access) -> Option<u64> {
        let cached = self.cached.get(&(page, access.write)).copied();
        let place = match cached {
            Some(place) => place,
            None => reach(&self.space, page * PAGE_SIZE, access).ok()?,
        };
        self.cached.insert((page, access.write), place);
        Some(place)
    }
}

/// Empties the caches of the CPUs that were made to forget.
fn forget(processes: &mut [Process]) {
    let cpus = host::forgets().into_iter().fold(0, |all, set| all | set);
    for process in processes.iter_mut().filter(|p| cpus >> p.cpu & 1 != 0) {
        process.cached.clear();
    }
}

proptest! {
    /// Processes that map, write, fork and end see what each of them has written, whatever their CPUs
    /// have cached, and every frame comes back.
    #[test]
    fn processes_see_their_own_memory(steps in prop::collection::vec(step(), 0..120)) {
        let kernel = machine(500);
        let before = host::used();
        let mut processes = vec![Process::new(Space::new(0, kernel.root()).unwrap(), 0)];
        let mut next = 1;
        for step in steps {
            let count = processes.len();
            match step {
                Step::Map(who, page, pages) => {
                    let process = &mut processes[who % count];
                    let free = (page..page + pages).all(|page| !process.is_mapped(page));
                    let new = region(page * PAGE_SIZE, pages, Protection::READ_WRITE);
                    prop_assert_eq!(process.space.map(new).is_ok(), free);
                    if free {
                        process.mapped.push((page, pages));
                    }
                }
                Step::Unmap(who, which) => {
                    let process = &mut processes[who % count];
                    if which < process.mapped.len() {
                        let (page, pages) = process.mapped.remove(which);
                        process.space.unmap(page * PAGE_SIZE).unwrap();
                        process.bytes.retain(|at, _| !(page..page + pages).contains(at));
                    }
                }
                Step::Write(who, page, byte) => {
                    let process = &mut processes[who % count];
                    let place = process.reach(page, WRITE);
                    prop_assert_eq!(place.is_some(), process.is_mapped(page));
                    if let Some(place) = place {
                        host::set_byte(place, byte);
                        process.bytes.insert(page, byte);
                    }
                }
                Step::Read(who, page) => {
                    let process = &mut processes[who % count];
                    let place = process.reach(page, READ);
                    prop_assert_eq!(place.is_some(), process.is_mapped(page));
                    if let Some(place) = place {
                        let expected = process.bytes.get(&page).copied().unwrap_or(0);
                        prop_assert_eq!(host::byte(place), expected);
                    }
                }
                Step::Fork(who) if count < 4 => {
                    let parent = &processes[who % count];
                    let mut child =
                        Process::new(parent.space.fork(next, kernel.root()).unwrap(), next);
                    child.mapped = parent.mapped.clone();
                    child.bytes = parent.bytes.clone();
                    processes.push(child);
                    next += 1;
                }
                Step::End(who) if count > 1 => {
                    let process = processes.remove(who % count);
                    process.space.loaded().leave(process.cpu);
                }
                Step::Fork(_) | Step::End(_) => {}
            }
            forget(&mut processes);
        }
        drop(processes);
        prop_assert_eq!(host::used(), before);
    }
}
