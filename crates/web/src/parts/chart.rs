//! Charts of sizes over time. What is sent is a table, which reads by itself; where scripts run one draws it (`chart.js`).

use maud::{Markup, html};

use crate::assets;
use crate::visitor::Visitor;

/// So many points are drawn at most: more are not told apart on a screen, and make for a long table.
pub const MOST_POINTS: usize = 60;

/// How the figures are drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// What is so at a time.
    Lines,
    /// What came in a time. For two lines at most, as they stand side by side.
    Bars,
}

/// Sizes over time.
pub struct Chart {
    pub title: String,
    /// What the figures mean, where the title does not say it all.
    pub about: String,
    pub shape: Shape,
    /// What each line is called.
    pub lines: Vec<String>,
    /// Oldest first.
    pub points: Vec<Point>,
}

/// The sizes at a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Point {
    pub at_ms: i64,
    /// For each line, in bytes; nothing where there is no figure.
    pub bytes: Vec<Option<u64>>,
}

impl Chart {
    /// The chart; what is to be said instead where there is nothing to compare yet is the page's.
    pub fn show(&self, visitor: &Visitor) -> Markup {
        let shape = match self.shape {
            Shape::Lines => "lines",
            Shape::Bars => "bars",
        };
        html! {
            figure.chart data-shape=(shape) {
                figcaption {
                    h3 { (self.title) }
                    @if !self.about.is_empty() { p.hint { (self.about) } }
                }
                details open {
                    summary { (visitor.say("chart-figures")) span.unseen { " " (self.title) } }
                    (self.table(visitor))
                }
            }
        }
    }

    fn table(&self, visitor: &Visitor) -> Markup {
        html! {
            div.scroll tabindex="0" role="region" aria-label=(self.title) { table {
                thead { tr {
                    th scope="col" { (visitor.say("chart-when")) }
                    @for line in &self.lines { th.figure scope="col" { (line) } }
                } }
                tbody { @for point in self.points.iter().rev() { tr {
                    th scope="row" { time datetime=(stamp(point.at_ms)) { (visitor.language.date(point.at_ms)) } }
                    @for bytes in &point.bytes {
                        @match bytes {
                            Some(bytes) => { td.figure data-bytes=(bytes) { (visitor.language.bytes(*bytes)) } }
                            None => { td.figure { "–" } }
                        }
                    }
                } } }
            } }
        }
    }
}

fn stamp(at_ms: i64) -> String {
    let at = jiff::Timestamp::from_millisecond(at_ms).unwrap_or(jiff::Timestamp::UNIX_EPOCH);
    at.to_string()
}

/// What a page with charts loads besides.
pub fn scripts() -> Markup {
    html! {
        link rel="stylesheet" href=(assets::address("uplot.css"));
        script src=(assets::address("uplot.js")) defer {}
        script src=(assets::address("chart.js")) defer {}
    }
}

/// Some of them, evenly, and always the last.
pub fn thinned<T>(all: Vec<T>) -> Vec<T> {
    let step = all.len().div_ceil(MOST_POINTS).max(1);
    let last = all.len().saturating_sub(1);
    let kept = all.into_iter().enumerate();
    kept.filter(|(at, _)| (last - at).is_multiple_of(step))
        .map(|(_, one)| one)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thinned_keeps_its_end() {
        assert_eq!(thinned(vec![1, 2, 3]), [1, 2, 3]);
        assert_eq!(thinned(Vec::<u8>::new()), Vec::<u8>::new());
        for count in [MOST_POINTS, MOST_POINTS + 1, 1000, 3653] {
            let kept = thinned((0..count).collect());
            assert!(
                kept.len() <= MOST_POINTS && kept.len() > MOST_POINTS / 2,
                "{count}"
            );
            assert_eq!(kept.last(), Some(&(count - 1)));
            let step = kept[1] - kept[0];
            assert!(kept.windows(2).all(|pair| pair[1] - pair[0] == step), "{kept:?}");
        }
    }
}
