//! Long lists that come row by row: only what can be on the page that is asked for is kept.

use std::cmp::Ordering;

use crate::parts::table::{Asked, Pages};

/// Rows on a page of a long list.
pub const PAGE_ROWS: usize = 200;

/// The first rows of a list in an order, up to the end of one page. Holds at most twice as many as these.
pub struct Sieve<T, F> {
    rows: Vec<T>,
    order: F,
    page: usize,
    /// So many rows can be reached at all.
    most: usize,
    /// So many came.
    count: usize,
}

impl<T, F: Fn(&T, &T) -> Ordering> Sieve<T, F> {
    /// For the page that is asked for. Only `most` rows can be reached, which must be more than a page; the order has to tell any two
    /// rows apart.
    pub fn new(asked: &Asked, most: usize, order: F) -> Self {
        assert!(most >= PAGE_ROWS, "a page is there to be full");
        Self {
            rows: Vec::new(),
            order,
            page: asked.page,
            most,
            count: 0,
        }
    }

    /// Takes the next row.
    pub fn add(&mut self, row: T) {
        self.count += 1;
        self.rows.push(row);
        let kept = self.page.saturating_mul(PAGE_ROWS).clamp(PAGE_ROWS, self.most);
        if self.rows.len() >= 2 * kept {
            self.rows.select_nth_unstable_by(kept - 1, &self.order);
            self.rows.truncate(kept);
        }
    }

    /// The rows of the page, or of the last one if there are fewer; and where that is. `Pages::count` is how many came, and may be
    /// more than can be reached.
    pub fn finish(mut self) -> (Vec<T>, Pages) {
        self.rows.sort_unstable_by(&self.order);
        let last = self.count.min(self.most).div_ceil(PAGE_ROWS).max(1);
        let page = self.page.clamp(1, last);
        let first = (page - 1) * PAGE_ROWS;
        let rows = self.rows.into_iter().take(self.most).skip(first).take(PAGE_ROWS);
        let count = self.count;
        (rows.collect(), Pages { page, last, count })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is on a page of the numbers below `count`, which come in disorder.
    fn page(page: usize, count: usize, most: usize) -> (Vec<usize>, Pages) {
        let asked = Asked {
            page,
            ..Asked::default()
        };
        let mut sieve = Sieve::new(&asked, most, usize::cmp);
        // 7919 is a prime, so each comes once.
        for at in 0..count {
            sieve.add(at * 7919 % count);
            assert!(sieve.rows.len() < 2 * most, "too much is kept");
        }
        sieve.finish()
    }

    #[test]
    fn each_page_has_its_rows() {
        for wanted in 1..=6 {
            let (rows, pages) = page(wanted, 1100, 5000);
            let first = (wanted - 1) * PAGE_ROWS;
            let expected: Vec<usize> = (first..1100.min(first + PAGE_ROWS)).collect();
            assert_eq!(rows, expected);
            assert_eq!((pages.page, pages.last, pages.count), (wanted, 6, 1100));
        }
    }

    #[test]
    fn a_page_beyond_the_last_is_the_last() {
        let (rows, pages) = page(usize::MAX, 450, 5000);
        assert_eq!((rows.len(), rows[0], pages.page), (50, 400, 3));
        assert_eq!(page(0, 450, 5000).0[0], 0);
        let (none, pages) = page(3, 0, 5000);
        assert_eq!((none.len(), pages.page, pages.last), (0, 1, 1));
    }

    #[test]
    fn no_more_is_reached_than_may_be_kept() {
        let (rows, pages) = page(99, 3000, 500);
        assert_eq!((rows.len(), rows[0]), (100, 400));
        assert_eq!((pages.page, pages.last, pages.count), (3, 3, 3000));
    }
}
