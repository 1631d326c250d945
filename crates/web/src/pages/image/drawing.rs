//! A disk drawn as a bar, with its partitions from left to right. Widths are in proportion to sizes, except that nothing becomes too narrow
//! to be seen.

use maud::{Markup, html};
use wire::v1::{ImageDisk, ImagePartition};

use super::{file_system, types};
use crate::visitor::Visitor;

/// What nothing is narrower than, in percent of the bar.
const LEAST_PERCENT: f64 = 2.5;
/// Free space that is less than this share of the disk is not drawn: tables and alignment always leave some.
const LEAST_FREE_SHARE: u64 = 100;

/// A piece of the bar.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Piece {
    what: What,
    at_percent: f64,
    width_percent: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    /// The partition of this number in the list.
    Partition(usize),
    /// So much that belongs to none.
    Free(u64),
}

/// The bar of a disk. All that it shows is in the table beneath it, too.
pub fn bar(visitor: &Visitor, disk: &ImageDisk) -> Markup {
    let places: Vec<(u64, u64)> = disk
        .partitions
        .iter()
        .map(|partition| (partition.start_bytes, partition.len_bytes))
        .collect();
    let label = visitor
        .language
        .say_with("image-bar", &[("disk", disk.name.as_str().into())]);
    html! {
        svg.disk role="img" aria-label=(label) {
            @for piece in layout(disk.len_bytes, &places) {
                svg x=(percent(piece.at_percent)) width=(percent(piece.width_percent)) {
                    @match piece.what {
                        What::Partition(at) => (partition(visitor, &disk.partitions[at])),
                        What::Free(bytes) => {
                            title { (visitor.say("image-free")) ", " (visitor.language.bytes(bytes)) }
                            rect.free width="100%" height="100%" {}
                        }
                    }
                }
            }
        }
    }
}

fn partition(visitor: &Visitor, partition: &ImagePartition) -> Markup {
    let volume = partition.volume.as_ref();
    let style = if volume.is_some() { "part" } else { "part left-out" };
    let used = volume.map(|volume| share(volume.used_bytes, partition.len_bytes));
    let kind = types::name(visitor, &partition.r#type);
    let named = [
        volume.map_or("", |volume| &volume.label),
        &partition.label,
        volume.map_or("", file_system),
        &kind,
    ];
    let name = named
        .into_iter()
        .find(|name| !name.is_empty())
        .unwrap_or_default();
    html! {
        title { (partition.number) " " (name) ", " (visitor.language.bytes(partition.len_bytes)) }
        rect class=(style) width="100%" height="100%" {}
        @if let Some(used) = used { rect.used width=(percent(used)) height="100%" {} }
        text x="8" y="19" { @if partition.number > 0 { (partition.number) " " } (name) }
        text.size x="8" y="36" { (visitor.language.bytes(partition.len_bytes)) }
    }
}

fn percent(value: f64) -> String {
    format!("{value:.3}%")
}

/// A part of a whole, in percent.
fn share(part: u64, whole: u64) -> f64 {
    match whole {
        0 => 0.0,
        whole => (part as f64 / whole as f64 * 100.0).min(100.0),
    }
}

/// Where each partition and each larger free space comes to lie. `places` are starts and lengths, in the order of their starts.
fn layout(disk_bytes: u64, places: &[(u64, u64)]) -> Vec<Piece> {
    let mut pieces: Vec<(What, u64)> = Vec::new();
    let mut end = 0_u64;
    let free = |from: u64, to: u64| {
        let free = to.saturating_sub(from);
        (free > disk_bytes / LEAST_FREE_SHARE).then_some((What::Free(free), free))
    };
    for (at, (start, len)) in places.iter().enumerate() {
        pieces.extend(free(end, *start));
        pieces.push((What::Partition(at), *len));
        end = end.max(start.saturating_add(*len));
    }
    pieces.extend(free(end, disk_bytes));
    let sizes: Vec<u64> = pieces.iter().map(|(_, bytes)| *bytes).collect();
    let mut at_percent = 0.0;
    let placed = pieces.iter().zip(widths(&sizes));
    placed
        .map(|((what, _), width_percent)| {
            let piece = Piece {
                what: *what,
                at_percent,
                width_percent,
            };
            at_percent += width_percent;
            piece
        })
        .collect()
}

/// The widths of pieces, in percent of all of them together. Those that would be too narrow get the least, and the others share what is
/// left; that may make more of them too narrow, and so on.
fn widths(sizes: &[u64]) -> Vec<f64> {
    let least = LEAST_PERCENT.min(100.0 / sizes.len().max(1) as f64);
    let mut narrow = vec![false; sizes.len()];
    loop {
        let left = 100.0 - least * narrow.iter().filter(|narrow| **narrow).count() as f64;
        let wide = sizes.iter().zip(&narrow).filter(|(_, narrow)| !**narrow);
        let total: f64 = wide.map(|(size, _)| *size as f64).sum();
        if total <= 0.0 {
            // None is larger than another.
            return vec![100.0 / sizes.len().max(1) as f64; sizes.len()];
        }
        let width = |size: u64| left * size as f64 / total;
        let mut is_settled = true;
        for (size, narrow) in sizes.iter().zip(&mut narrow) {
            if !*narrow && width(*size) < least {
                *narrow = true;
                is_settled = false;
            }
        }
        if is_settled {
            let widths = sizes.iter().zip(&narrow);
            return widths
                .map(|(size, narrow)| if *narrow { least } else { width(*size) })
                .collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GIB: u64 = 1 << 30;

    #[test]
    fn widths_are_as_sizes_are() {
        assert_eq!(widths(&[GIB, 3 * GIB]), [25.0, 75.0]);
        assert!(widths(&[]).is_empty());
        assert_eq!(widths(&[0]), [100.0]);
    }

    #[test]
    fn what_is_small_can_be_seen_and_the_bar_is_full() {
        for sizes in [
            vec![1 << 20, 512 << 20, 16 << 20, 931 * GIB],
            vec![GIB, GIB, 1, 1, 1, 1, 50 * GIB],
            vec![1; 128],
            (0..100).map(|power| 1 << (power % 60)).collect(),
            vec![u64::MAX, u64::MAX, 1],
        ] {
            let widths = widths(&sizes);
            let least = LEAST_PERCENT.min(100.0 / sizes.len() as f64);
            assert!(widths.iter().all(|width| *width >= least - 1e-9), "{widths:?}");
            assert!(
                (widths.iter().sum::<f64>() - 100.0).abs() < 1e-6,
                "{sizes:?}: {widths:?}"
            );
        }
    }

    #[test]
    fn free_space_is_drawn_where_there_is_some() {
        let pieces = layout(100 * GIB, &[(1 << 20, GIB), (40 * GIB, 60 * GIB - (1 << 20))]);
        let what: Vec<What> = pieces.iter().map(|piece| piece.what).collect();
        let free = 40 * GIB - GIB - (1 << 20);
        assert_eq!(what, [What::Partition(0), What::Free(free), What::Partition(1)]);
        assert_eq!(pieces[0].at_percent, 0.0);
        assert_eq!(
            pieces[2].at_percent,
            pieces[0].width_percent + pieces[1].width_percent
        );
        let blank = layout(10 * GIB, &[]);
        assert_eq!(blank.len(), 1);
        assert_eq!(blank[0].what, What::Free(10 * GIB));
    }

    #[test]
    fn partitions_that_a_table_lets_overlap_do_not_break_it() {
        let pieces = layout(10 * GIB, &[(0, 8 * GIB), (GIB, GIB), (u64::MAX, u64::MAX)]);
        assert!(pieces.iter().all(|piece| piece.width_percent.is_finite()));
        assert!(layout(0, &[(0, 0)])[0].width_percent > 99.0);
    }
}
