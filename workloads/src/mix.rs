//! The arithmetic behind every checksum: spreads a number over all 64 bits.
//!
//! Checksums are sums of mixed numbers, so the order in which jobs end doesn't matter, and
//! a job that is lost, run twice or given the wrong number does.

/// Mixes a number (the finalizer of splitmix64; a bijection).
#[must_use]
#[inline]
pub fn mix(number: u64) -> u64 {
    let mut z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// Mixes a number over and over: a piece of work that takes about `rounds` nanoseconds and
/// that no optimiser can shorten.
#[must_use]
pub fn churn(seed: u64, rounds: u64) -> u64 {
    (0..rounds).fold(seed, |state, round| mix(state ^ round))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_nothing() {
        // The first output of splitmix64 for seed 0, a published value.
        assert_eq!(mix(0), 0xe220_a839_7b1d_cdaf);
        let differing = (mix(1) ^ mix(2)).count_ones();
        assert!((16..=48).contains(&differing), "{differing}");
    }

    #[test]
    fn churn_depends_on_every_round() {
        assert_ne!(churn(1, 10), churn(1, 11));
        assert_eq!(churn(5, 0), 5);
    }
}
