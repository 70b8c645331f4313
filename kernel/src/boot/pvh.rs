//! What the loader hands over: modules, command line, memory map, ACPI root.
//!
//! All addresses are physical and read through the physical map.

use crate::mm::phys::{self, PhysAddr};

const MAGIC: u32 = 0x336e_c578;
/// A range of the memory map that is usable RAM.
const TYPE_RAM: u32 = 1;

/// `hvm_start_info`, version 1.
#[repr(C)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    modules: u32,
    module_list: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
struct Module {
    address: u64,
    size: u64,
    command_line: u64,
    reserved: u64,
}

#[repr(C)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// The loader's information, checked.
#[derive(Clone, Copy)]
pub(crate) struct BootInfo {
    info: &'static StartInfo,
}

/// A range of physical addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PhysRange {
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl BootInfo {
    /// Reads the structure at `address`.
    ///
    /// # Panics
    /// If there is none.
    pub(crate) fn new(address: PhysAddr) -> Self {
        // SAFETY: the loader put the structure there; the magic number is checked before use.
        let info = unsafe { phys::object::<StartInfo>(address) };
        assert!(
            info.magic == MAGIC && info.version >= 1,
            "no PVH start info at {address:?}"
        );
        Self { info }
    }

    /// The first module: the initrd.
    pub(crate) fn initrd(self) -> Option<&'static [u8]> {
        let range = self.initrd_range()?;
        // SAFETY: the loader put the module there, and its frames are never given out.
        Some(unsafe { phys::bytes(PhysAddr(range.start), (range.end - range.start) as usize) })
    }

    /// Where the initrd lies.
    pub(crate) fn initrd_range(self) -> Option<PhysRange> {
        if self.info.modules == 0 {
            return None;
        }
        // SAFETY: the list has at least one entry.
        let module = unsafe { phys::object::<Module>(PhysAddr(self.info.module_list)) };
        Some(PhysRange {
            start: module.address,
            end: module.address + module.size,
        })
    }

    /// The command line, up to its NUL.
    pub(crate) fn command_line(self) -> &'static [u8] {
        if self.info.command_line == 0 {
            return &[];
        }
        let mut len = 0;
        loop {
            // SAFETY: the string ends with a NUL, which has not been reached yet.
            let byte = unsafe { phys::object::<u8>(PhysAddr(self.info.command_line + len)) };
            if *byte == 0 {
                break;
            }
            len += 1;
        }
        // SAFETY: these bytes have just been read.
        unsafe { phys::bytes(PhysAddr(self.info.command_line), len as usize) }
    }

    /// The physical address of the ACPI root pointer.
    pub(crate) fn rsdp(self) -> PhysAddr {
        PhysAddr(self.info.rsdp)
    }

    /// The ranges of usable RAM.
    pub(crate) fn ram(self) -> impl Iterator<Item = PhysRange> {
        (0..u64::from(self.info.memory_map_entries)).filter_map(move |index| {
            let address = self.info.memory_map + index * size_of::<MemoryMapEntry>() as u64;
            // SAFETY: the map has `memory_map_entries` entries.
            let entry = unsafe { phys::object::<MemoryMapEntry>(PhysAddr(address)) };
            (entry.kind == TYPE_RAM).then_some(PhysRange {
                start: entry.address,
                end: entry.address + entry.size,
            })
        })
    }
}
