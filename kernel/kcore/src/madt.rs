//! Which CPUs a machine has: the local APIC entries of the ACPI table MADT.

/// The interrupt controller structures follow the header, the LAPIC address and the flags.
const ENTRIES: usize = 44;
const LOCAL_APIC: u8 = 0;
const ENABLED: u32 = 1;

/// The local APIC numbers of all CPUs that can be started. Ends early where the table is cut off.
pub fn local_apics(madt: &[u8]) -> impl Iterator<Item = u8> {
    let mut rest = madt.get(ENTRIES..).unwrap_or(&[]);
    let entries = core::iter::from_fn(move || {
        let [_, len, ..] = *rest else { return None };
        let (entry, after) = rest.split_at_checked(usize::from(len).max(2))?;
        rest = after;
        Some(entry)
    });
    entries.filter_map(|entry| match entry {
        [LOCAL_APIC, _, _, id, flags @ ..] => {
            let flags = u32::from_le_bytes(*flags.first_chunk()?);
            (flags & ENABLED != 0).then_some(*id)
        }
        _ => None,
    })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn table(entries: &[u8]) -> Vec<u8> {
        let mut table = std::vec![0; ENTRIES];
        table.extend(entries);
        table
    }

    fn ids(madt: &[u8]) -> Vec<u8> {
        local_apics(madt).collect()
    }

    #[test]
    fn enabled_ones_are_found_among_others() {
        let entries = [
            [0, 8, 0, 4, 1, 0, 0, 0].as_slice(),
            // An I/O APIC, one that is off, one that is on and more.
            &[1, 12, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0],
            &[0, 8, 1, 5, 2, 0, 0, 0],
            &[0, 8, 2, 6, 3, 0, 0, 0],
        ];
        assert_eq!(ids(&table(&entries.concat())), [4, 6]);
    }

    #[test]
    fn a_table_that_is_cut_off_ends_early() {
        assert_eq!(ids(&[]), []);
        assert_eq!(ids(&table(&[0, 8, 0, 4])), []);
        // Too short for its flags, then one whose length is less than its head.
        assert_eq!(
            ids(&table(&[0, 4, 0, 4, 0, 0, 0, 8, 0, 9, 1, 0, 0, 0])),
            [9]
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(ids(&bytes).len() <= bytes.len());
        }
    }
}
