//! Which CPUs there are: where the ACPI table MADT lies, which [`kcore::madt`] reads.

use heapless::Vec;
use kcore::madt;

use crate::{
    arch::cpu::MAX_CPUS,
    mm::phys::{self, PhysAddr},
};

const TABLE_HEADER_LEN: usize = 36;

/// The local APIC numbers of all CPUs that can be started, at most [`MAX_CPUS`], and how many there
/// are in all.
pub(crate) fn local_apics(rsdp: PhysAddr) -> (Vec<u8, MAX_CPUS>, usize) {
    let madt = find(rsdp, *b"APIC").unwrap_or(&[]);
    let ids = madt::local_apics(madt).take(MAX_CPUS).collect();
    (ids, madt::local_apics(madt).count())
}

/// The table with this signature.
fn find(rsdp: PhysAddr, signature: [u8; 4]) -> Option<&'static [u8]> {
    if rsdp.0 == 0 {
        return None;
    }
    // SAFETY: the loader says that the root pointer is there; it has at least 20 bytes.
    let root = unsafe { phys::bytes(rsdp, 20) };
    if !root.starts_with(b"RSD PTR ") {
        return None;
    }
    let rsdt = table(PhysAddr(u64::from(u32::from_le_bytes(
        *root[16..].first_chunk()?,
    ))))?;
    rsdt.get(TABLE_HEADER_LEN..)?
        .as_chunks()
        .0
        .iter()
        .find_map(|address| {
            let table = table(PhysAddr(u64::from(u32::from_le_bytes(*address))))?;
            table.starts_with(&signature).then_some(table)
        })
}

/// The whole table at `address`, header included.
fn table(address: PhysAddr) -> Option<&'static [u8]> {
    if address.0 == 0 {
        return None;
    }
    // SAFETY: the firmware keeps a table header at each address that it lists.
    let header = unsafe { phys::bytes(address, TABLE_HEADER_LEN) };
    let len = u32::from_le_bytes(*header[4..].first_chunk()?) as usize;
    // SAFETY: the header says how long the table is.
    Some(unsafe { phys::bytes(address, len.max(TABLE_HEADER_LEN)) })
}
