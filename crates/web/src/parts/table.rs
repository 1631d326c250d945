//! Lists: sorted, filtered and paged by the server, with what was chosen in the address.

use maud::{Markup, html};
use serde::Deserialize;

use crate::visitor::Visitor;

/// Rows on a page.
pub const PAGE_ROWS: usize = 50;
/// So many rows are asked for where a list goes back from a row, to know whether there are older ones.
pub const ONE_MORE: u32 = PAGE_ROWS as u32 + 1;

/// What a list is asked for.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Asked {
    /// A part of what is looked for.
    #[serde(default)]
    pub q: String,
    /// A column, with `-` before it the other way round.
    #[serde(default)]
    pub sort: String,
    /// What is to hold of the rows.
    #[serde(default)]
    pub only: String,
    /// Which page, the first being 1.
    #[serde(default)]
    pub page: usize,
    /// In a list that goes back from a row: behind which; 0 for its newest.
    #[serde(default)]
    pub before: u64,
    /// What else is in the address and stays there.
    #[serde(skip)]
    pub beside: Vec<(&'static str, String)>,
}

impl Asked {
    /// The same with something else in the address.
    pub fn along(mut self, name: &'static str, value: String) -> Self {
        self.beside.push((name, value));
        self
    }

    /// The column, and whether it goes the other way round.
    pub fn order<'a>(&'a self, usual: &'a str) -> (&'a str, bool) {
        let sort = if self.sort.is_empty() { usual } else { &self.sort };
        match sort.strip_prefix('-') {
            Some(column) => (column, true),
            None => (sort, false),
        }
    }

    /// The address of this list with something else in it.
    pub fn with(&self, change: impl FnOnce(&mut Self)) -> String {
        let mut other = Self {
            page: 1,
            before: 0,
            ..self.clone()
        };
        change(&mut other);
        let (page, before) = (other.page.to_string(), other.before.to_string());
        let all = [
            ("q", &other.q),
            ("sort", &other.sort),
            ("only", &other.only),
            ("page", &page),
            ("before", &before),
        ];
        let beside = other.beside.iter().map(|(name, value)| (*name, value));
        let said = beside.chain(all).filter(|(name, value)| {
            !(value.is_empty() || *name == "page" && *value == "1" || *name == "before" && *value == "0")
        });
        let query = serde_urlencoded::to_string(said.collect::<Vec<_>>()).unwrap_or_default();
        format!("?{query}")
    }

    /// The head of a column that can be sorted by.
    pub fn head(&self, usual: &str, (column, class): (&str, &str), text: &str) -> Markup {
        let (sorted, is_reversed) = self.order(usual);
        let is_here = sorted == column;
        let next = match is_here && !is_reversed {
            true => format!("-{column}"),
            false => column.to_owned(),
        };
        let direction = match (is_here, is_reversed) {
            (false, _) => None,
            (true, false) => Some("ascending"),
            (true, true) => Some("descending"),
        };
        html! {
            th.(class) scope="col" aria-sort=[direction] {
                a href=(self.with(|asked| asked.sort = next)) { (text) }
            }
        }
    }

    /// The links to what is to hold of the rows, each with how many there are.
    pub fn filters(&self, visitor: &Visitor, all: usize, choices: &[(&str, String, usize)]) -> Markup {
        let number = |count: usize| html! { " " span.count { (visitor.language.number(count as u64)) } };
        html! {
            nav.filters aria-label=(visitor.say("list-filter")) {
                (self.filter("", &html! { (visitor.say("list-all")) (number(all)) }))
                @for (only, text, count) in choices {
                    @if *count > 0 || self.only == *only { (self.filter(only, &html! { (text) (number(*count)) })) }
                }
            }
        }
    }

    /// The same for a list of which nobody counts the rows.
    pub fn uncounted_filters(&self, visitor: &Visitor, choices: &[(&str, String)]) -> Markup {
        html! {
            nav.filters aria-label=(visitor.say("list-filter")) {
                (self.filter("", &html! { (visitor.say("list-all")) }))
                @for (only, text) in choices { (self.filter(only, &html! { (text) })) }
            }
        }
    }

    fn filter(&self, only: &str, text: &Markup) -> Markup {
        let is_here = (self.only == only).then_some("true");
        html! { a href=(self.with(|asked| asked.only = only.to_owned())) aria-current=[is_here] { (text) } }
    }

    /// The field for what is looked for.
    pub fn search(&self, visitor: &Visitor, label: &str) -> Markup {
        html! {
            form.search method="get" role="search" {
                label.unseen for="q" { (label) }
                input #q type="search" name="q" value=(self.q) placeholder=(label);
                @for (name, value) in &self.beside { input type="hidden" name=(name) value=(value); }
                @if !self.only.is_empty() { input type="hidden" name="only" value=(self.only); }
                @if !self.sort.is_empty() { input type="hidden" name="sort" value=(self.sort); }
                button.quiet { (visitor.say("list-search")) }
            }
        }
    }

    /// The rows of this page, and the links to the others.
    pub fn page<T>(&self, rows: Vec<T>) -> (Vec<T>, Pages) {
        let count = rows.len();
        let last = count.div_ceil(PAGE_ROWS).max(1);
        let page = self.page.clamp(1, last);
        let rows = rows.into_iter().skip((page - 1) * PAGE_ROWS).take(PAGE_ROWS);
        (rows.collect(), Pages { page, last, count })
    }

    /// The links to other pages.
    pub fn pager(&self, visitor: &Visitor, pages: Pages) -> Markup {
        let text = visitor.language.say_with(
            "list-pages",
            &[
                ("page", pages.page.into()),
                ("last", pages.last.into()),
                ("count", visitor.language.number(pages.count as u64).into()),
            ],
        );
        html! {
            @if pages.last > 1 {
                nav.pager aria-label=(visitor.say("list-pager")) {
                    @if pages.page > 1 {
                        a rel="prev" href=(self.with(|asked| asked.page = pages.page - 1)) { (visitor.say("list-previous")) }
                    }
                    span { (text) }
                    @if pages.page < pages.last {
                        a rel="next" href=(self.with(|asked| asked.page = pages.page + 1)) { (visitor.say("list-next")) }
                    }
                }
            }
        }
    }
}

impl Asked {
    /// The rows of this page of a list that goes back from a row, and the links to its newest rows and to older ones. There is one row more than a
    /// page has where there are older ones ([`ONE_MORE`]); `number` gives the number of a row.
    pub fn back<T>(
        &self,
        visitor: &Visitor,
        mut rows: Vec<T>,
        number: impl Fn(&T) -> u64,
    ) -> (Vec<T>, Markup) {
        let has_older = rows.len() > PAGE_ROWS;
        rows.truncate(PAGE_ROWS);
        let last = rows.last().filter(|_| has_older).map(number);
        let links = html! {
            @if self.before > 0 || last.is_some() {
                nav.pager aria-label=(visitor.say("list-pager")) {
                    @if self.before > 0 { a rel="first" href=(self.with(|_| ())) { (visitor.say("list-newest")) } }
                    @if let Some(last) = last {
                        a rel="next" href=(self.with(|asked| asked.before = last)) { (visitor.say("list-older")) }
                    }
                }
            }
        };
        (rows, links)
    }
}

/// Where in a list one is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    pub page: usize,
    pub last: usize,
    pub count: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_cut_where_they_end() {
        let asked = |page| Asked {
            page,
            ..Asked::default()
        };
        let rows: Vec<usize> = (0..PAGE_ROWS + 1).collect();
        let (first, pages) = asked(0).page(rows.clone());
        assert_eq!((first.len(), pages.page, pages.last), (PAGE_ROWS, 1, 2));
        let (second, pages) = asked(99).page(rows);
        assert_eq!((second.as_slice(), pages.page), ([PAGE_ROWS].as_slice(), 2));
        let (none, pages) = asked(1).page(Vec::<u8>::new());
        assert_eq!((none.len(), pages.last), (0, 1));
    }

    #[test]
    fn an_address_keeps_what_was_chosen() {
        let asked = Asked {
            q: "a b".into(),
            sort: "-name".into(),
            only: "late".into(),
            page: 3,
            before: 9,
            beside: Vec::new(),
        };
        assert_eq!(asked.with(|_| ()), "?q=a+b&sort=-name&only=late");
        assert_eq!(
            asked.with(|asked| asked.page = 2),
            "?q=a+b&sort=-name&only=late&page=2"
        );
        assert_eq!(
            asked.with(|asked| asked.before = 7),
            "?q=a+b&sort=-name&only=late&before=7"
        );
        assert_eq!(
            asked.clone().along("path", "a/b%FF".into()).with(|_| ()),
            "?path=a%2Fb%25FF&q=a+b&sort=-name&only=late"
        );
        assert_eq!(asked.order("name"), ("name", true));
        assert_eq!(Asked::default().order("name"), ("name", false));
    }
}
