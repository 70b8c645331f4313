//! What the loader hands over (PVH): modules, command line, memory map, ACPI root; and the ACPI table of
//! a name.
//!
//! All addresses are physical, and what is there is asked of a [`Read`]. Nothing is believed: what
//! lies where nothing can be read is not there.

use alloc::vec::Vec;

use crate::ram::PhysRange;

/// Reads so many bytes at a physical address, which stay as they are; nothing where they can't be read.
pub type Read<'a> = fn(u64, usize) -> Option<&'a [u8]>;

const MAGIC: u32 = 0x336e_c578;
/// `hvm_start_info`, version 1.
const START_INFO_LEN: usize = 56;
const MODULE_LEN: usize = 32;
const ENTRY_LEN: usize = 24;
/// A range of the memory map that is usable RAM.
const TYPE_RAM: u32 = 1;
/// More is no command line.
const COMMAND_LINE_MAX: u64 = 1 << 16;

const TABLE_HEADER_LEN: usize = 36;

/// The loader's information.
#[derive(Clone, Copy, Debug)]
pub struct BootInfo<'a> {
    read: Read<'a>,
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn range(start: u64, len: u64) -> Option<PhysRange> {
    let end = start.checked_add(len)?;
    Some(PhysRange { start, end })
}

impl<'a> BootInfo<'a> {
    /// The structure at `address`, if there is one.
    #[must_use]
    pub fn new(address: u64, read: Read<'a>) -> Option<Self> {
        let info = read(address, START_INFO_LEN)?;
        let (magic, version) = (u32_at(info, 0)?, u32_at(info, 4)?);
        if magic != MAGIC || version < 1 {
            return None;
        }
        Some(Self {
            read,
            modules: u32_at(info, 12)?,
            module_list: u64_at(info, 16)?,
            command_line: u64_at(info, 24)?,
            rsdp: u64_at(info, 32)?,
            memory_map: u64_at(info, 40)?,
            memory_map_entries: u32_at(info, 48)?,
        })
    }

    /// The first module: the initrd.
    #[must_use]
    pub fn initrd(&self) -> Option<&'a [u8]> {
        let range = self.initrd_range()?;
        (self.read)(range.start, usize::try_from(range.len()).ok()?)
    }

    /// Where the initrd lies.
    #[must_use]
    pub fn initrd_range(&self) -> Option<PhysRange> {
        if self.modules == 0 {
            return None;
        }
        let module = (self.read)(self.module_list, MODULE_LEN)?;
        range(u64_at(module, 0)?, u64_at(module, 8)?)
    }

    /// The command line, up to its NUL.
    #[must_use]
    pub fn command_line(&self) -> &'a [u8] {
        let byte = |len: &u64| (self.read)(self.command_line.checked_add(*len)?, 1);
        if self.command_line == 0 {
            return &[];
        }
        let end = (0..COMMAND_LINE_MAX).find(|len| byte(len).is_none_or(|byte| byte == [0]));
        let line = end.and_then(|len| (self.read)(self.command_line, len as usize));
        line.unwrap_or_default()
    }

    /// The ranges of usable RAM, up to the first entry that can't be read.
    pub fn ram(&self) -> impl Iterator<Item = PhysRange> {
        let entries = (0..u64::from(self.memory_map_entries)).map_while(|index| {
            let at = self.memory_map.checked_add(index * ENTRY_LEN as u64)?;
            (self.read)(at, ENTRY_LEN)
        });
        entries.filter_map(|entry| {
            let range = range(u64_at(entry, 0)?, u64_at(entry, 8)?)?;
            (u32_at(entry, 16)? == TYPE_RAM).then_some(range)
        })
    }

    /// The ACPI table with this signature, header included.
    #[must_use]
    pub fn acpi_table(&self, signature: [u8; 4]) -> Option<&'a [u8]> {
        let root = (self.read)(self.rsdp, 20)?;
        if self.rsdp == 0 || !root.starts_with(b"RSD PTR ") {
            return None;
        }
        let list = self.table(u32_at(root, 16)?)?.get(TABLE_HEADER_LEN..)?;
        let tables: Vec<u32> = (0..list.len() / 4)
            .filter_map(|index| u32_at(list, index * 4))
            .collect();
        let mut tables = tables.into_iter().filter_map(|at| self.table(at));
        tables.find(|table| table.starts_with(&signature))
    }

    /// The whole table at an address.
    fn table(&self, address: u32) -> Option<&'a [u8]> {
        let address = u64::from(address);
        if address == 0 {
            return None;
        }
        let header = (self.read)(address, TABLE_HEADER_LEN)?;
        let len = u32_at(header, 4)? as usize;
        (self.read)(address, len.max(TABLE_HEADER_LEN))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{boxed::Box, cell::Cell, vec};

    use proptest::prelude::*;

    use super::*;

    std::thread_local! {
        static MEMORY: Cell<&'static [u8]> = const { Cell::new(&[]) };
    }

    fn read(address: u64, len: usize) -> Option<&'static [u8]> {
        let start = usize::try_from(address).ok()?;
        MEMORY.get().get(start..start.checked_add(len)?)
    }

    /// The information at address 0x100 of a memory that `fill` has filled.
    fn boot(fill: impl FnOnce(&mut dyn FnMut(usize, &[u8]))) -> Option<BootInfo<'static>> {
        let mut memory = vec![0; 0x2000];
        fill(&mut |at: usize, bytes: &[u8]| memory[at..at + bytes.len()].copy_from_slice(bytes));
        MEMORY.set(Box::leak(memory.into_boxed_slice()));
        BootInfo::new(0x100, read)
    }

    fn info(put: &mut dyn FnMut(usize, &[u8]), words: [u64; 7]) {
        put(0x100, &MAGIC.to_le_bytes());
        put(0x104, &1_u32.to_le_bytes());
        let [modules, list, line, rsdp, map, entries, _] = words;
        put(0x10c, &(modules as u32).to_le_bytes());
        for (at, word) in [(0x110, list), (0x118, line), (0x120, rsdp), (0x128, map)] {
            put(at, &word.to_le_bytes());
        }
        put(0x130, &(entries as u32).to_le_bytes());
    }

    #[test]
    fn all_that_a_loader_says_is_found() {
        let boot = boot(|put| {
            info(put, [1, 0x200, 0x300, 0, 0x400, 3, 0]);
            put(0x200, &0x500_u64.to_le_bytes());
            put(0x208, &4_u64.to_le_bytes());
            put(0x300, b"sched=rr init=/a\0more");
            for (index, (start, len, kind)) in [(0_u64, 9_u64, 1_u32), (9, 1, 2), (16, 8, 1)]
                .into_iter()
                .enumerate()
            {
                let at = 0x400 + index * ENTRY_LEN;
                put(at, &start.to_le_bytes());
                put(at + 8, &len.to_le_bytes());
                put(at + 16, &kind.to_le_bytes());
            }
            put(0x500, b"0707");
        });
        let boot = boot.unwrap();
        assert_eq!(boot.initrd(), Some(&b"0707"[..]));
        assert_eq!(boot.command_line(), b"sched=rr init=/a");
        let ram: Vec<_> = boot.ram().map(|range| (range.start, range.end)).collect();
        assert_eq!(ram, [(0, 9), (16, 24)], "the second is no RAM");
        assert_eq!(boot.acpi_table(*b"APIC"), None);
    }

    #[test]
    fn no_loader_no_information() {
        assert!(boot(|_| {}).is_none());
        assert!(BootInfo::new(u64::MAX, read).is_none());
        let none = boot(|put| info(put, [0; 7])).unwrap();
        assert_eq!(none.command_line(), b"");
        assert!(none.initrd_range().is_none() && none.ram().next().is_none());
    }

    #[test]
    fn an_acpi_table_is_found_by_its_name() {
        let boot = boot(|put| {
            info(put, [0, 0, 0, 0x600, 0, 0, 0]);
            put(0x600, b"RSD PTR ");
            put(0x610, &0x700_u32.to_le_bytes());
            put(0x704, &(36 + 12_u32).to_le_bytes());
            // The first leads nowhere.
            for (index, table) in [0_u32, 0x800, 0x900].into_iter().enumerate() {
                put(0x700 + 36 + index * 4, &table.to_le_bytes());
            }
            for (at, name, len) in [(0x800, b"FACP", 36_u32), (0x900, b"APIC", 60)] {
                put(at, name);
                put(at + 4, &len.to_le_bytes());
            }
        });
        let boot = boot.unwrap();
        assert_eq!(boot.acpi_table(*b"APIC").map(<[u8]>::len), Some(60));
        assert_eq!(boot.acpi_table(*b"FACP").map(<[u8]>::len), Some(36));
        assert_eq!(boot.acpi_table(*b"HPET"), None);
    }

    proptest! {
        #[test]
        fn whatever_is_there_nothing_panics(
            words in prop::array::uniform7(prop_oneof![0..0x2100_u64, any::<u64>()]),
            noise in prop::collection::vec(any::<u8>(), 0x600),
        ) {
            let boot = boot(|put| {
                put(0x200, &noise);
                info(put, words);
                if words[3] < 0x1000 {
                    put(words[3] as usize, b"RSD PTR ");
                    info(put, words);
                }
            });
            if let Some(boot) = boot {
                let _ = (boot.initrd(), boot.command_line(), boot.acpi_table(*b"APIC"));
                let _ = boot.ram().take(100).count();
            }
        }
    }
}
