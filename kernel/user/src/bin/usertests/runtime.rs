//! The runtime itself: memory functions and heap, under everything that the other cases use.

use alloc::vec::Vec;

use user::thread;

pub(crate) const CASES: &[super::Case] = &[
    ("memory functions of every short length", memory_functions),
    ("heap from four threads", heap),
];

/// The longest piece that is tried: beyond two blocks of every size that the functions use.
const LONGEST: usize = 80;

fn memory_functions() {
    let mut source = [0_u8; 2 * LONGEST];
    for (index, byte) in source.iter_mut().enumerate() {
        *byte = index as u8 ^ 0x5a;
    }
    for len in 0..LONGEST {
        for shift in [0, 1, 7, 8, 15, 16, 17] {
            let mut room = [0xee_u8; 2 * LONGEST];
            room[shift..shift + len].copy_from_slice(&source[..len]);
            for (index, &byte) in room.iter().enumerate() {
                let inside = index >= shift && index < shift + len;
                let wanted = if inside { source[index - shift] } else { 0xee };
                assert_eq!(byte, wanted, "copy of {len} to {shift}, byte {index}");
            }
            for (from, to) in [(shift, 0), (0, shift), (shift, shift)] {
                let mut room = source;
                room.copy_within(from..from + len, to);
                for (index, &byte) in room.iter().enumerate() {
                    let inside = index >= to && index < to + len;
                    let wanted = if inside {
                        source[index - to + from]
                    } else {
                        source[index]
                    };
                    assert_eq!(
                        byte, wanted,
                        "move of {len} from {from} to {to}, byte {index}"
                    );
                }
            }
            let mut room = [0xee_u8; 2 * LONGEST];
            room[shift..shift + len].fill(7);
            let filled = room.iter().filter(|&&byte| byte == 7).count();
            assert_eq!(filled, len, "fill of {len} at {shift}");
            assert!(room[shift..shift + len].iter().all(|&byte| byte == 7));
        }
        for differ in 0..len {
            let (mut left, mut right) = ([9_u8; LONGEST], [9_u8; LONGEST]);
            assert!(left[..len] == right[..len]);
            left[differ] = 200;
            right[differ] = 100;
            // The bytes after the first difference must not matter.
            right[differ + 1..].fill(255);
            assert!(
                left[..len] > right[..len],
                "comparison of {len}, differing at {differ}"
            );
            assert!(
                right[..len] < left[..len],
                "comparison of {len}, differing at {differ}"
            );
        }
    }
}

fn heap() {
    let threads: Vec<_> = (0..4_u64)
        .map(|seed| {
            thread::spawn(move || {
                let mut kept: Vec<Vec<u64>> = Vec::new();
                for round in 0..400_u64 {
                    let len = ((round * 37 + seed * 101) % 300) as usize;
                    kept.push(alloc::vec![seed << 32 | round; len]);
                    if round % 3 == 2 {
                        let at = (round * 13 % kept.len() as u64) as usize;
                        let old = kept.swap_remove(at);
                        assert!(old.iter().all(|&word| Some(&word) == old.first()));
                        assert!(old.iter().all(|&word| word >> 32 == seed), "foreign memory");
                    }
                }
                kept.iter().flatten().all(|&word| word >> 32 == seed).into()
            })
        })
        .collect();
    for thread in threads {
        assert_eq!(thread.join(), 1);
    }
}
