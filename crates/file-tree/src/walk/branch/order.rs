//! The order of branches, and freeing long chains of them.

use std::cmp::Ordering;
use std::sync::Arc;

use super::Branch;

impl Drop for Branch {
    /// Frees a long chain of ancestors without recursion.
    fn drop(&mut self) {
        // Without its own jumps the chain's parts are held by nothing but their children.
        self.jump = None;
        let mut next = self.parent.take();
        while let Some(mut branch) = next.and_then(Arc::into_inner) {
            next = branch.parent.take();
        }
    }
}

/// A branch as a key, in the order in which children of branches are consumed: depth-first, so a descendant
/// before its ancestor (whose remaining children come later), else in the order of the paths.
#[derive(Clone, Debug)]
pub(in super::super) struct InOrder(pub(in super::super) Arc<Branch>);

impl Ord for InOrder {
    fn cmp(&self, other: &InOrder) -> Ordering {
        let depths = self.0.depth.cmp(&other.0.depth);
        // Lift the deeper one; if it meets the other, it is beneath it.
        let mut a = lifted(&self.0, other.0.depth);
        let mut b = lifted(&other.0, self.0.depth);
        if Arc::ptr_eq(a, b) {
            return depths.reverse();
        }
        // Lift both until they are siblings. At equal depths jumps are equally long.
        loop {
            let (Some(parent_of_a), Some(parent_of_b)) = (&a.parent, &b.parent) else {
                return Ordering::Equal;
            };
            if Arc::ptr_eq(parent_of_a, parent_of_b) {
                return a.index.cmp(&b.index);
            }
            (a, b) = match (&a.jump, &b.jump) {
                (Some(a), Some(b)) if !Arc::ptr_eq(a, b) => (a, b),
                _ => (parent_of_a, parent_of_b),
            };
        }
    }
}

/// Returns where the jump of a child of `parent` ends.
pub(super) fn jump_from(parent: &Arc<Branch>) -> &Arc<Branch> {
    let Some(first) = &parent.jump else {
        return parent;
    };
    match &first.jump {
        Some(second) if parent.depth - first.depth == first.depth - second.depth => second,
        _ => parent,
    }
}

/// Returns the ancestor at `depth`, or the branch itself if it is not deeper.
fn lifted(mut branch: &Arc<Branch>, depth: usize) -> &Arc<Branch> {
    while branch.depth > depth {
        branch = match &branch.jump {
            Some(jump) if jump.depth >= depth => jump,
            _ => branch.parent.as_ref().expect("only the root has no parent"),
        };
    }
    branch
}

impl PartialOrd for InOrder {
    fn partial_cmp(&self, other: &InOrder) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for InOrder {
    fn eq(&self, other: &InOrder) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for InOrder {}
