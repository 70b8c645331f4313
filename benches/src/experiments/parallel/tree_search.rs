//! An irregular search: a tree whose nodes are hashes, which say how many children a node has.
//!
//! Nobody knows how large a subtree is before it is searched, and most are tiny while a few are huge:
//! the tree of the unbalanced tree search benchmark. Each node but the root has four children or
//! none, with nearly as few on average as it takes to die out. A few nodes, at whatever depth, are
//! *gates*: whoever searches leaves what lies behind them for later, to be forked.

use workloads::mix::{churn, mix};

use super::crew::Crew;

/// Children of a node that has any.
const CHILDREN: u64 = 4;

/// How many nodes in a thousand have children: a little fewer than one in four, from where on trees
/// need not end.
const PER_MILLE: u64 = 246;

/// One node in so many is a gate.
const GATES: u64 = 256;

/// So many nodes are searched together, so that a fork is worth some ten microseconds.
const GROUP: usize = 4;

/// What is done at each node, in nanoseconds or so.
const ROUNDS: u64 = 60;

/// Counts the nodes below a root with so many children.
pub(super) fn count<C: Crew>(crew: &C, children: u64) -> u64 {
    let children: Vec<_> = (0..children).map(|number| child(0, number)).collect();
    below(crew, &children)
}

/// Counts these nodes and all below them.
fn below<C: Crew>(crew: &C, nodes: &[u64]) -> u64 {
    if nodes.is_empty() {
        return 0;
    }
    if nodes.len() <= GROUP {
        let found = search(nodes.to_vec());
        crew.steps(found.nodes);
        return found.nodes + below(crew, &found.gates);
    }
    let (left, right) = nodes.split_at(nodes.len() / 2);
    let (a, b) = crew.join(|| below(crew, left), || below(crew, right));
    a + b
}

/// What a search has found.
struct Found {
    /// The nodes up to the gates, without them.
    nodes: u64,
    gates: Vec<u64>,
}

/// Searches these nodes and what is below them, as far as the next gates.
fn search(mut left: Vec<u64>) -> Found {
    let mut found = Found {
        nodes: 0,
        gates: Vec::new(),
    };
    while let Some(node) = left.pop() {
        found.nodes += 1;
        for number in 0..visit(node) {
            let child = child(node, number);
            if mix(child).is_multiple_of(GATES) {
                found.gates.push(child);
            } else {
                left.push(child);
            }
        }
    }
    found
}

fn child(parent: u64, number: u64) -> u64 {
    mix(parent ^ mix(number + 1))
}

/// Works on a node, and says how many children it has.
fn visit(node: u64) -> u64 {
    let found = churn(node, ROUNDS);
    if found % 1_000 < PER_MILLE {
        CHILDREN
    } else {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::experiments::parallel::counting::Counting;

    /// All nodes of a tree, gates or not.
    fn plain(root: u64) -> u64 {
        let mut left = vec![root];
        let mut nodes = 0;
        while let Some(node) = left.pop() {
            nodes += 1;
            left.extend((0..visit(node)).map(|number| child(node, number)));
        }
        nodes
    }

    #[test]
    fn the_forks_count_what_a_plain_search_does() {
        let expected: u64 = (0..64).map(|number| plain(child(0, number))).sum();
        let crew = Counting::default();
        assert_eq!(count(&crew, 64), expected);
        let (work, span) = crew.seen();
        assert_eq!(work, expected);
        assert!(span < work);
    }

    #[test]
    fn the_trees_are_uneven() {
        let mut sizes: Vec<_> = (0..64).map(|number| plain(child(0, number))).collect();
        sizes.sort_unstable();
        assert_eq!(sizes[32], 1, "most have no children");
        assert!(sizes[63] > 50, "{sizes:?}");
    }
}
