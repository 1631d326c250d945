//! A cache that holds so much and no more: what was used least recently goes first.

use std::hash::Hash;

use lru::LruCache;

/// Values by their keys, whose weights together stay within a limit.
#[derive(Debug)]
pub(super) struct Weighted<K: Hash + Eq, V> {
    entries: LruCache<K, (V, u64)>,
    weight: u64,
    limit: u64,
}

impl<K: Hash + Eq, V> Weighted<K, V> {
    /// Creates an empty one.
    pub(super) fn new(limit: u64) -> Self {
        Self {
            entries: LruCache::unbounded(),
            weight: 0,
            limit,
        }
    }

    /// Finds a value, which is then the one used last.
    pub(super) fn get<Q>(&mut self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
        Q: Hash + Eq + ?Sized,
    {
        self.entries.get(key).map(|(value, _)| value)
    }

    /// Puts a value in. Others go until there is room; one that is beyond the limit by itself stays alone.
    pub(super) fn insert(&mut self, key: K, value: V, weight: u64) {
        if let Some((_, replaced)) = self.entries.put(key, (value, weight)) {
            self.weight -= replaced;
        }
        self.weight += weight;
        self.make_room();
    }

    /// Sets another limit.
    pub(super) fn limit(&mut self, limit: u64) {
        self.limit = limit;
        self.make_room();
    }

    fn make_room(&mut self) {
        while self.weight > self.limit && self.entries.len() > 1 {
            if let Some((_, (_, freed))) = self.entries.pop_lru() {
                self.weight -= freed;
            }
        }
    }

    /// Takes a value out.
    pub(super) fn remove(&mut self, key: &K) -> Option<V> {
        let (value, weight) = self.entries.pop(key)?;
        self.weight -= weight;
        Some(value)
    }

    /// What all that is held weighs.
    #[cfg(test)]
    pub(super) fn weight(&self) -> u64 {
        self.weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_used_least_recently_goes_first() {
        let mut cache = Weighted::new(10);
        cache.insert("a", 1, 4);
        cache.insert("b", 2, 4);
        assert_eq!(cache.get("a"), Some(&1));
        cache.insert("c", 3, 4);
        assert_eq!(cache.get("b"), None, "it was not used since");
        assert_eq!(cache.get("a"), Some(&1));
        assert_eq!(cache.weight(), 8);
        cache.limit(5);
        assert_eq!(cache.get("c"), None);
        assert_eq!(cache.weight(), 4);
    }

    #[test]
    fn what_is_beyond_the_limit_stays_alone() {
        let mut cache = Weighted::new(10);
        cache.insert("small", 1, 1);
        cache.insert("large", 2, 100);
        assert_eq!(cache.get("small"), None);
        assert_eq!(cache.get("large"), Some(&2));
        cache.insert("next", 3, 1);
        assert_eq!(cache.get("large"), None);
        assert_eq!(cache.weight(), 1);
    }

    #[test]
    fn what_is_replaced_or_removed_weighs_nothing() {
        let mut cache = Weighted::new(10);
        cache.insert("a", 1, 6);
        cache.insert("a", 2, 3);
        assert_eq!(cache.weight(), 3);
        assert_eq!(cache.remove(&"a"), Some(2));
        assert_eq!(cache.remove(&"a"), None);
        assert_eq!(cache.weight(), 0);
    }
}
