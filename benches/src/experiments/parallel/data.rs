//! Data-parallel problems: the same with every element of a list.

use workloads::mix::mix;

use super::crew::Crew;

/// Into how many parts a list is cut: enough that a worker that is late has only a little left.
const PARTS: usize = 64;

fn part(count: usize) -> usize {
    count.div_ceil(PARTS).max(1)
}

/// Adds up what the numbers are mixed to.
pub(super) fn sum<C: Crew>(crew: &C, numbers: &[u64]) -> u64 {
    let parts = numbers.chunks(part(numbers.len()));
    let mut sums = vec![0; parts.len()];
    let items = parts.zip(&mut sums).collect();
    crew.each(items, |(part, sum): (&[u64], &mut u64)| {
        crew.steps(part.len() as u64);
        *sum = part.iter().fold(0, |sum, n| sum.wrapping_add(mix(*n)));
    });
    crew.steps(sums.len() as u64);
    sums.into_iter().fold(0, u64::wrapping_add)
}

/// What each number is mixed to.
pub(super) fn map<C: Crew>(crew: &C, numbers: &[u64]) -> Vec<u64> {
    let mut mixed = vec![0; numbers.len()];
    let part = part(numbers.len());
    let items = numbers.chunks(part).zip(mixed.chunks_mut(part)).collect();
    crew.each(items, |(from, to): (&[u64], &mut [u64])| {
        crew.steps(from.len() as u64);
        for (from, to) in from.iter().zip(to) {
            *to = mix(*from);
        }
    });
    mixed
}

/// Sorts by merging: halves are sorted at the same time, and merged in parts at the same time.
pub(super) fn sort<C: Crew>(crew: &C, mut numbers: Vec<u64>) -> Vec<u64> {
    let mut space = vec![0; numbers.len()];
    // A merge is slower than a sort's last steps: the fewer there are, the better.
    let grain = (4 * part(numbers.len())).max(1_024);
    sort_into(crew, &mut numbers, &mut space, false, grain);
    numbers
}

/// Sorts what is in `here`; the result goes `there`, or stays.
fn sort_into<C: Crew>(crew: &C, here: &mut [u64], there: &mut [u64], goes: bool, grain: usize) {
    if here.len() <= grain {
        let count = here.len() as u64;
        crew.steps(count * u64::from(count.max(2).ilog2()));
        here.sort_unstable();
        if goes {
            there.copy_from_slice(here);
        }
        return;
    }
    let middle = here.len() / 2;
    {
        let (left, right) = here.split_at_mut(middle);
        let (left_space, right_space) = there.split_at_mut(middle);
        crew.join(
            || sort_into(crew, left, left_space, !goes, grain),
            || sort_into(crew, right, right_space, !goes, grain),
        );
    }
    let (from, to) = if goes { (here, there) } else { (there, here) };
    let (left, right) = from.split_at(middle);
    merge(crew, left, right, to, grain);
}

/// Merges two sorted lists, cut at the middle of the longer one while they are long.
fn merge<C: Crew>(crew: &C, left: &[u64], right: &[u64], to: &mut [u64], grain: usize) {
    if to.len() <= grain {
        crew.steps(to.len() as u64);
        return merge_serially(left, right, to);
    }
    let (long, short) = if left.len() < right.len() {
        (right, left)
    } else {
        (left, right)
    };
    let middle = long.len() / 2;
    let cut = short.partition_point(|n| *n < long[middle]);
    let (low, high) = to.split_at_mut(middle + cut);
    crew.join(
        || merge(crew, &long[..middle], &short[..cut], low, grain),
        || merge(crew, &long[middle..], &short[cut..], high, grain),
    );
}

/// Takes the smaller of the two first ones, without a branch that nobody could foresee.
fn merge_serially(left: &[u64], right: &[u64], to: &mut [u64]) {
    let (mut a, mut b, mut at) = (0, 0, 0);
    while a < left.len() && b < right.len() && at < to.len() {
        let is_left = left[a] <= right[b];
        to[at] = if is_left { left[a] } else { right[b] };
        a += usize::from(is_left);
        b += usize::from(!is_left);
        at += 1;
    }
    let rest = if a < left.len() {
        &left[a..]
    } else {
        &right[b..]
    };
    to[at..].copy_from_slice(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::parallel::counting::Counting;

    #[test]
    fn merging_sorts_whatever_comes() {
        let numbers = |count: u64, of: u64| (0..count).map(|n| mix(n) % of).collect::<Vec<_>>();
        for count in [0, 1, 2, 1_025, 5_000, 100_000] {
            for of in [1, 3, u64::MAX] {
                let numbers = numbers(count, of);
                let mut expected = numbers.clone();
                expected.sort_unstable();
                assert!(
                    sort(&Counting::default(), numbers) == expected,
                    "{count} of {of}"
                );
            }
        }
    }

    #[test]
    fn a_lists_work_is_its_elements() {
        let numbers: Vec<u64> = (0..6_400).collect();
        let crew = Counting::default();
        map(&crew, &numbers);
        assert_eq!(crew.seen(), (6_400, 100));
        let crew = Counting::default();
        sum(&crew, &numbers);
        assert_eq!(crew.seen(), (6_464, 164), "the parts are added one by one");
    }
}
