//! Which CPUs there are: the local APIC entries of the ACPI table MADT.

use heapless::Vec;

use crate::{
    arch::cpu::MAX_CPUS,
    mm::phys::{self, PhysAddr},
};

const TABLE_HEADER_LEN: usize = 36;
/// The interrupt controller structures follow the header, the LAPIC address and the flags.
const MADT_ENTRIES: usize = 44;
const MADT_LOCAL_APIC: u8 = 0;
const LOCAL_APIC_ENABLED: u32 = 1;

/// The local APIC numbers of all CPUs that can be started, at most [`MAX_CPUS`], and how many there
/// are in all.
pub(crate) fn local_apics(rsdp: PhysAddr) -> (Vec<u8, MAX_CPUS>, usize) {
    let mut ids = Vec::new();
    let mut count = 0;
    let Some(madt) = find(rsdp, *b"APIC") else {
        return (ids, count);
    };
    let mut entries = madt.get(MADT_ENTRIES..).unwrap_or(&[]);
    while let [kind, len, ..] = *entries {
        let Some((entry, rest)) = entries.split_at_checked(usize::from(len).max(2)) else {
            break;
        };
        if let (MADT_LOCAL_APIC, [_, _, _, id, flags @ ..]) = (kind, entry)
            && flags
                .first_chunk()
                .is_some_and(|f| u32::from_le_bytes(*f) & LOCAL_APIC_ENABLED != 0)
        {
            count += 1;
            // A full list is seen by the caller through the count.
            let _ = ids.push(*id);
        }
        entries = rest;
    }
    (ids, count)
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
