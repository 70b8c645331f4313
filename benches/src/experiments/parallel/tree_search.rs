//! An irregular search: a tree whose nodes are hashes, which say how many children a node has.
//!
//! Nobody knows how large a subtree is before it is searched, and most are tiny while a few are huge:
//! the tree of the unbalanced tree search benchmark. Each node but the root has four children or
//! none, with nearly as few on average as it takes to die out. Nodes are forked down to a depth; a
//! subtree below it is searched by whoever has come there.

use workloads::mix::{churn, mix};

use super::crew::Crew;

/// Children of a node that has any.
const CHILDREN: u64 = 4;

/// How many nodes in a thousand have children: a little fewer than one in four, from where on trees
/// need not end.
const PER_MILLE: u64 = 246;

/// The depth below which nothing is forked.
const DEPTH: u32 = 10;

/// What is done at each node, in nanoseconds or so.
const ROUNDS: u64 = 60;

/// Counts the nodes below a root with so many children.
pub(super) fn count<C: Crew>(crew: &C, children: u64) -> u64 {
    among(crew, 0, 0..children, 1)
}

/// Counts the nodes of the trees whose roots are these children of a node.
fn among<C: Crew>(crew: &C, parent: u64, children: std::ops::Range<u64>, depth: u32) -> u64 {
    match children.end - children.start {
        0 => 0,
        1 => tree(crew, child(parent, children.start), depth),
        count => {
            let middle = children.start + count / 2;
            let (a, b) = crew.join(
                || among(crew, parent, children.start..middle, depth),
                || among(crew, parent, middle..children.end, depth),
            );
            a + b
        }
    }
}

/// Counts the nodes of a tree.
fn tree<C: Crew>(crew: &C, node: u64, depth: u32) -> u64 {
    if depth >= DEPTH {
        let nodes = serial(node);
        crew.steps(nodes);
        return nodes;
    }
    crew.steps(1);
    1 + among(crew, node, 0..visit(node), depth + 1)
}

/// The same without forks, and without a stack that a deep tree would need.
fn serial(root: u64) -> u64 {
    let mut left = vec![root];
    let mut nodes = 0;
    while let Some(node) = left.pop() {
        nodes += 1;
        left.extend((0..visit(node)).map(|number| child(node, number)));
    }
    nodes
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

    #[test]
    fn the_forks_count_what_the_plain_search_does() {
        let plain: u64 = (0..64).map(|number| serial(child(0, number))).sum();
        let crew = Counting::default();
        assert_eq!(count(&crew, 64), plain);
        let (work, span) = crew.seen();
        assert_eq!(work, plain);
        assert!(span < work);
    }

    #[test]
    fn the_trees_are_uneven() {
        let mut sizes: Vec<_> = (0..64).map(|number| serial(child(0, number))).collect();
        sizes.sort_unstable();
        assert_eq!(sizes[32], 1, "most have no children");
        assert!(sizes[63] > 50, "{sizes:?}");
    }
}
