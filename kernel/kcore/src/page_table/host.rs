//! Physical memory of a test: frames that are numbered from 1, with owners that are counted.

use std::{boxed::Box, cell::RefCell, vec, vec::Vec};

use crate::{
    page_frame::{OutOfFrames, PageFrame, TABLE_LEN, Table},
    sync::{AtomicU64, Ordering},
    user_range::PAGE_SIZE,
};

/// A frame can be used as a table or as bytes, as its owner likes.
struct Place {
    table: &'static Table,
    bytes: Vec<u8>,
    owners: u32,
}

#[derive(Default)]
struct Memory {
    places: Vec<Place>,
    most: usize,
    forgets: Vec<u64>,
}

std::thread_local! {
    static MEMORY: RefCell<Memory> = RefCell::default();
}

fn with<R>(f: impl FnOnce(&mut Memory) -> R) -> R {
    MEMORY.with_borrow_mut(f)
}

/// Begins a test with so many frames, none of them in use.
pub(crate) fn begin(most: usize) {
    with(|memory| {
        *memory = Memory {
            most,
            ..Memory::default()
        }
    });
}

/// How many frames have an owner.
pub(crate) fn used() -> usize {
    with(|memory| {
        memory
            .places
            .iter()
            .filter(|place| place.owners > 0)
            .count()
    })
}

/// How many owners the frame at an address has.
pub(crate) fn owners(address: u64) -> u32 {
    with(|memory| memory.places[number(address)].owners)
}

/// A byte of physical memory that somebody owns.
pub(crate) fn byte(address: u64) -> u8 {
    with(|memory| {
        let place = &memory.places[number(address)];
        assert!(place.owners > 0, "a free frame is read");
        place.bytes[(address % PAGE_SIZE) as usize]
    })
}

/// Sets a byte of physical memory that somebody owns.
pub(crate) fn set_byte(address: u64, to: u8) {
    with(|memory| {
        let place = &mut memory.places[number(address)];
        assert!(place.owners > 0, "a free frame is written");
        place.bytes[(address % PAGE_SIZE) as usize] = to;
    });
}

/// The sets of CPUs that were made to forget, since the last time.
pub(crate) fn forgets() -> Vec<u64> {
    with(|memory| core::mem::take(&mut memory.forgets))
}

fn number(address: u64) -> usize {
    (address / PAGE_SIZE) as usize - 1
}

#[derive(Debug)]
pub(crate) struct HostFrame(u64);

impl PageFrame for HostFrame {
    fn zeroed() -> Result<Self, OutOfFrames> {
        let mut frame = Self::stale()?;
        frame.write(|bytes| bytes.fill(0));
        for entry in Self::table(frame.0) {
            entry.store(0, Ordering::Relaxed);
        }
        Ok(frame)
    }

    fn stale() -> Result<Self, OutOfFrames> {
        with(|memory| {
            let free = memory.places.iter().position(|place| place.owners == 0);
            let number = match free {
                Some(number) => number,
                None if memory.places.len() < memory.most => {
                    let table: Table = core::array::from_fn(|_| AtomicU64::new(0));
                    memory.places.push(Place {
                        table: Box::leak(Box::new(table)),
                        bytes: vec![0xee; PAGE_SIZE as usize],
                        owners: 0,
                    });
                    memory.places.len() - 1
                }
                None => return Err(OutOfFrames),
            };
            memory.places[number].owners = 1;
            Ok(Self((number as u64 + 1) * PAGE_SIZE))
        })
    }

    fn share(&self) -> Self {
        with(|memory| memory.places[number(self.0)].owners += 1);
        Self(self.0)
    }

    fn is_sole(&self) -> bool {
        owners(self.0) == 1
    }

    fn address(&self) -> u64 {
        self.0
    }

    fn into_address(self) -> u64 {
        self.0
    }

    fn from_address(address: u64) -> Self {
        assert!(owners(address) > 0, "a share of a free frame");
        Self(address)
    }

    fn write(&mut self, write: impl FnOnce(&mut [u8])) {
        with(|memory| {
            let place = &mut memory.places[number(self.0)];
            assert_eq!(place.owners, 1, "a frame that others see is written");
            write(&mut place.bytes);
        });
    }

    fn copy_from(&mut self, other: &Self) {
        let bytes = with(|memory| memory.places[number(other.0)].bytes.clone());
        self.write(|own| own.copy_from_slice(&bytes));
    }

    fn release(self) {
        with(|memory| {
            let owners = &mut memory.places[number(self.0)].owners;
            *owners = owners.checked_sub(1).expect("freed twice");
        });
    }

    fn table(address: u64) -> &'static Table {
        with(|memory| {
            let place = &memory.places[number(address)];
            assert!(place.owners > 0, "a free frame is used as a table");
            assert_eq!(place.table.len(), TABLE_LEN);
            place.table
        })
    }

    fn make_forget(cpus: u64) {
        with(|memory| memory.forgets.push(cpus));
    }
}
