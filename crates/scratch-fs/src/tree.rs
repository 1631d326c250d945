//! Directory trees for tests: comparing two exactly, making varied ones, changing them at random.
//!
//! Plain and slow on purpose, so that it can be the judge of code that is neither.

mod compare;
mod dice;
mod generate;
mod mutate;

pub use compare::{Aspects, compare_trees, compare_trees_with};
pub use generate::random_tree;
pub use mutate::mutate_tree;
