//! `Board`: what is to be scanned, who scans it, and what is done but not consumed.
//!
//! A child of a branch goes through these states: *ready* (its branch is listed with the position of its
//! first unclaimed child), *claimed* (a slot says so), *done* or *abandoned* (the slot holds the scan, or
//! nothing because it could not be made), *taken* (the slot is gone). The consumer may take a ready child
//! straight away.
//!
//! Claims are handed out in the order in which the consumer will ask, nearest first.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::{Condvar, Mutex};

use super::branch::{Branch, InOrder};
use super::scan::Scanned;

/// The state that the consumer and the workers of a walk share.
#[derive(Debug)]
pub(super) struct Board {
    state: Mutex<State>,
    /// Workers wait here for something to claim and room to put it.
    work: Condvar,
    /// The consumer waits here for the one scan it needs.
    done: Condvar,
    stopping: AtomicBool,
    ahead_entries: usize,
    ahead_dirs: usize,
}

#[derive(Debug, Default)]
struct State {
    /// Branches with unclaimed children, and the first of these.
    ready: BTreeMap<InOrder, usize>,
    slots: HashMap<Key, Slot>,
    /// Entries in slots that are done.
    entries: usize,
    idle_workers: usize,
    is_consumer_waiting: bool,
}

/// A child of a branch. The branch's address identifies it: the consumer holds it as long as it has
/// unconsumed children.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key(usize, usize);

#[derive(Debug)]
enum Slot {
    Claimed,
    Done(Box<Scanned>),
    Abandoned,
}

/// What the consumer gets when it asks for a child.
#[derive(Debug)]
pub(super) enum Taken {
    /// The finished scan.
    Done(Box<Scanned>),
    /// Nobody has begun it, and nobody else will: the consumer scans it.
    Unclaimed,
    /// Another is at work on it; this is what can be done in the meantime.
    Other(Claim),
}

/// The right and duty to scan one child. Dropped without being published, it leaves the child to the
/// consumer.
#[derive(Debug)]
pub(super) struct Claim {
    board: Arc<Board>,
    pub(super) branch: Arc<Branch>,
    pub(super) child: usize,
    is_published: bool,
}

impl Board {
    pub(super) fn new(ahead_entries: usize, ahead_dirs: usize) -> Board {
        Board {
            state: Mutex::default(),
            work: Condvar::new(),
            done: Condvar::new(),
            stopping: AtomicBool::new(false),
            ahead_entries,
            ahead_dirs,
        }
    }

    /// Lists the children of a branch that the consumer has just come to.
    pub(super) fn add_branch(&self, branch: &Arc<Branch>) {
        let mut state = self.state.lock();
        state.ready.insert(InOrder(Arc::clone(branch)), 0);
        // The consumer itself takes the first child; waking a worker for that would only make it wait.
        if state.idle_workers > 0 && (branch.children() > 1 || state.ready.len() > 1) {
            self.work.notify_one();
        }
    }

    /// Gives the consumer its next child, or something to do or to wait for until a worker has finished it.
    pub(super) fn take(self: &Arc<Board>, branch: &Arc<Branch>, child: usize) -> Taken {
        let key = Key::new(branch, child);
        let mut state = self.state.lock();
        loop {
            match state.slots.get(&key) {
                None => {
                    let claimed = state.claim_next_of(branch);
                    assert_eq!(
                        claimed, child,
                        "children are consumed in the order in which they are claimed"
                    );
                    return Taken::Unclaimed;
                }
                Some(Slot::Claimed) => {}
                Some(Slot::Done(_) | Slot::Abandoned) => {
                    let slot = state.slots.remove(&key);
                    return self.taken(&mut state, slot);
                }
            }
            if let Some(claim) = self.claim_first(&mut state) {
                return Taken::Other(claim);
            }
            state.is_consumer_waiting = true;
            self.done.wait(&mut state);
            state.is_consumer_waiting = false;
        }
    }

    fn taken(&self, state: &mut State, slot: Option<Slot>) -> Taken {
        let taken = match slot {
            Some(Slot::Done(scanned)) => {
                state.entries -= scanned.walked.entries.len();
                Taken::Done(scanned)
            }
            _ => Taken::Unclaimed,
        };
        // Workers sleep until half of the room is free again, so that they aren't woken for each directory.
        let has_half = state.slots.len() <= self.ahead_dirs / 2 && state.entries <= self.ahead_entries / 2;
        if state.idle_workers > 0 && has_half && !state.ready.is_empty() {
            self.work.notify_one();
        }
        taken
    }

    /// Waits for the next child to scan; `None` when the walk is over.
    pub(super) fn claim(self: &Arc<Board>) -> Option<Claim> {
        let mut state = self.state.lock();
        loop {
            if self.is_stopping() {
                return None;
            }
            if let Some(claim) = self.claim_first(&mut state) {
                if state.idle_workers > 0 && !state.ready.is_empty() {
                    self.work.notify_one();
                }
                return Some(claim);
            }
            state.idle_workers += 1;
            self.work.wait(&mut state);
            state.idle_workers -= 1;
        }
    }

    fn claim_first(self: &Arc<Board>, state: &mut State) -> Option<Claim> {
        if state.slots.len() >= self.ahead_dirs || state.entries >= self.ahead_entries {
            return None;
        }
        let branch = Arc::clone(&state.ready.first_key_value()?.0.0);
        // The consumer opens it when it gets there. What comes after it is still farther away.
        if !branch.is_open() {
            return None;
        }
        let child = state.claim_next_of(&branch);
        state.slots.insert(Key::new(&branch, child), Slot::Claimed);
        Some(Claim {
            board: Arc::clone(self),
            branch,
            child,
            is_published: false,
        })
    }

    fn fill(&self, claim: &Claim, slot: Slot) {
        let mut state = self.state.lock();
        if let Slot::Done(scanned) = &slot {
            state.entries += scanned.walked.entries.len();
            if let Some(grown) = &scanned.branch {
                state.ready.insert(InOrder(Arc::clone(grown)), 0);
            }
        }
        state.slots.insert(Key::new(&claim.branch, claim.child), slot);
        if state.is_consumer_waiting {
            self.done.notify_one();
        }
    }

    /// Ends the walk: workers finish as soon as they notice.
    pub(super) fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
        // With the lock held no worker is between its look at the flag and its sleep.
        let state = self.state.lock();
        self.work.notify_all();
        drop(state);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

impl State {
    /// Takes the first unclaimed child of `branch` off the list.
    fn claim_next_of(&mut self, branch: &Arc<Branch>) -> usize {
        let key = InOrder(Arc::clone(branch));
        let next = self
            .ready
            .get_mut(&key)
            .expect("a branch is listed as long as it has unclaimed children");
        let child = *next;
        *next += 1;
        if *next == branch.children() {
            self.ready.remove(&key);
        }
        child
    }
}

impl Key {
    fn new(branch: &Arc<Branch>, child: usize) -> Key {
        Key(Arc::as_ptr(branch).addr(), child)
    }
}

impl Claim {
    /// Puts the scan where the consumer finds it. If there was no descriptor left for it, the consumer has to
    /// try again when its turn comes, with those of the directories before it closed.
    pub(super) fn publish(mut self, scanned: Scanned) {
        if !scanned.was_out_of_descriptors {
            self.is_published = true;
            self.board.fill(&self, Slot::Done(Box::new(scanned)));
        }
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if !self.is_published {
            self.board.fill(self, Slot::Abandoned);
        }
    }
}
