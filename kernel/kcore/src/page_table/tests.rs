use std::vec::Vec;

use super::{
    PageTable,
    flag::{GLOBAL, LARGE, WRITABLE},
    host::{self, HostFrame},
};
use crate::{
    page_frame::{OutOfFrames, PageFrame},
    regions::Protection,
    user_range::{PAGE_SIZE, UserRange},
};

type Tables = PageTable<HostFrame>;

/// The first page of the kernel's half.
const UPPER: u64 = 0xffff_8000_0000_0000;

fn frame() -> HostFrame {
    HostFrame::zeroed().unwrap()
}

fn pages(start: u64, count: u64) -> UserRange {
    UserRange::pages(start, count * PAGE_SIZE).unwrap()
}

#[test]
fn a_page_is_mapped_where_it_was_asked_for_and_nowhere_else() {
    host::begin(100);
    let mut table = Tables::empty().unwrap();
    // The last page below the hole, so that the top entry of each level is used.
    for page in [PAGE_SIZE, 0x40_0000_0000, 0x7fff_ffff_e000] {
        let frame = frame();
        let at = frame.address();
        table.map_user(page, frame, Protection::READ_WRITE).unwrap();
        assert_eq!(table.physical(page + 0x123), Some(at + 0x123));
        assert_eq!(table.physical(page - 1), None);
        assert_eq!(table.physical(page + PAGE_SIZE), None);
    }
    table.unmap(pages(PAGE_SIZE, (1 << 35) - 2), PageFrame::release);
    // The root and the tables of three places, which share no table but the root.
    assert_eq!(host::used(), 1 + 3 * 3 - 1);
    drop(table);
    assert_eq!(host::used(), 0);
}

#[test]
fn a_page_allows_what_its_protection_says() {
    host::begin(100);
    let mut table = Tables::empty().unwrap();
    for (page, protection) in [
        (0x1000, Protection::READ),
        (0x2000, Protection::READ_WRITE),
        (0x3000, Protection::READ_EXECUTE),
    ] {
        table.map_user(page, frame(), protection).unwrap();
        assert!(table.allows(page, false, false));
        assert_eq!(table.allows(page, true, false), protection.write);
        assert_eq!(table.allows(page, false, true), protection.execute);
        assert!(!table.allows(page, true, true), "never both");
    }
    assert!(!table.allows(0x4000, false, false));
    table.unmap(pages(0x1000, 3), PageFrame::release);
}

#[test]
fn only_the_pages_of_the_range_are_unmapped() {
    host::begin(2000);
    let mut table = Tables::empty().unwrap();
    // Across two leaf tables.
    let start = (512 - 3) * PAGE_SIZE;
    for page in 0..6 {
        table
            .map_user(start + page * PAGE_SIZE, frame(), Protection::READ)
            .unwrap();
    }
    let mut taken = Vec::new();
    table.unmap(pages(start + PAGE_SIZE, 4), |frame| taken.push(frame));
    assert_eq!(taken.len(), 4);
    let left: Vec<u64> = (0..6)
        .filter(|page| table.physical(start + page * PAGE_SIZE).is_some())
        .collect();
    assert_eq!(left, [0, 5]);
    taken.into_iter().for_each(PageFrame::release);
    table.unmap(pages(start, 6), PageFrame::release);
}

#[test]
fn without_memory_for_a_table_the_frame_comes_back() {
    for most in 1..4 {
        host::begin(most + 1);
        let mut table = Tables::empty().unwrap();
        let mapped = table.map_user(PAGE_SIZE, frame(), Protection::READ);
        mapped.unwrap_err().release();
        assert_eq!(table.physical(PAGE_SIZE), None);
        drop(table);
        assert_eq!(host::used(), 0, "with {most} frames");
    }
}

#[test]
fn the_upper_half_is_the_kernels() {
    host::begin(100);
    let mut kernel = Tables::empty().unwrap();
    kernel.map_kernel(UPPER, 0x5000, WRITABLE | GLOBAL).unwrap();
    kernel.reserve_kernel(UPPER + (1 << 39)).unwrap();
    let process = Tables::with_kernel_half(kernel.root()).unwrap();
    assert_eq!(process.physical(UPPER), Some(0x5000));
    // What comes later into a table that was reserved is seen by all.
    let page = UPPER + (1 << 39);
    kernel
        .map_kernel(page, frame().into_address(), WRITABLE)
        .unwrap();
    assert!(process.physical(page).is_some());
    kernel.unmap_kernel(page).release();
    assert_eq!(process.physical(page), None);
    drop(process);
    assert_eq!(kernel.physical(UPPER), Some(0x5000));
}

#[test]
fn a_large_page_takes_one_entry_of_the_second_level() {
    host::begin(100);
    let mut kernel = Tables::empty().unwrap();
    kernel.map_kernel(UPPER, 0, LARGE | WRITABLE).unwrap();
    kernel
        .map_kernel(UPPER + (2 << 20), 2 << 20, LARGE)
        .unwrap();
    // The root, and two levels below it.
    assert_eq!(host::used(), 3);
}

#[test]
#[should_panic(expected = "is mapped once")]
fn a_page_that_is_mapped_twice_is_caught() {
    host::begin(100);
    let mut table = Tables::empty().unwrap();
    table.map_user(0x1000, frame(), Protection::READ).unwrap();
    let _ = table.map_user(0x1000, frame(), Protection::READ);
}

#[test]
fn a_shared_page_is_copied_or_taken_over() {
    host::begin(100);
    let mut table = Tables::empty().unwrap();
    let mut child = Tables::empty().unwrap();
    let page = 0x1000;
    table
        .map_user(page, frame(), Protection::READ_WRITE)
        .unwrap();
    let at = table.physical(page).unwrap();
    host::set_byte(at, 7);
    table.share_with(&mut child, pages(page, 1), true).unwrap();
    assert_eq!(host::owners(at), 2);
    for both in [&table, &child] {
        assert!(both.allows(page, false, false) && !both.allows(page, true, false));
    }
    assert!(!child.make_writable_if_sole(page));
    let old = child.replace_by_copy(page, HostFrame::stale().unwrap());
    let copy = child.physical(page).unwrap();
    assert!(copy != at && child.allows(page, true, false));
    assert_eq!(host::byte(copy), 7);
    old.release();
    assert!(table.make_writable_if_sole(page) && table.allows(page, true, false));
    for both in [&mut table, &mut child] {
        both.unmap(pages(page, 1), PageFrame::release);
    }
    drop((table, child));
    assert_eq!(host::used(), 0);
}

#[test]
fn sharing_without_memory_says_so() {
    host::begin(6);
    let mut table = Tables::empty().unwrap();
    table
        .map_user(0x1000, frame(), Protection::READ_WRITE)
        .unwrap();
    let mut child = Tables::empty().unwrap();
    let shared = table.share_with(&mut child, pages(0x1000, 1), true);
    assert_eq!(shared, Err(OutOfFrames));
    assert!(table.allows(0x1000, true, false), "nothing was taken away");
}
