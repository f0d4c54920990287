//! Changes side by side, a line for each field.

use crate::diff::{Change, ChangeKind, Shown};

/// Returns changes as a table: field, live value, value after a sync, and who owns the live value. Columns are as wide
/// as what they hold, and no line is wider than `width` characters, but at least 40; longer values are cut.
#[must_use]
pub fn table(changes: &[Change], width: usize) -> String {
    let header = ["FIELD", "LIVE", "AFTER A SYNC", "OWNER"].map(str::to_owned);
    let rows: Vec<[String; COLUMNS]> = [header].into_iter().chain(changes.iter().map(row)).collect();
    let widths = widths(&rows, width.max(40));
    let mut text = String::new();
    for row in &rows {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| fitted(cell, width)).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

const COLUMNS: usize = 4;

fn row(change: &Change) -> [String; COLUMNS] {
    let owners: Vec<String> = change.owners.iter().map(ToString::to_string).collect();
    let field = match change.kind {
        ChangeKind::Moved => format!("{} (order)", change.path),
        _ => change.path.to_string(),
    };
    [field, cell(change.live.as_ref()), cell(change.desired.as_ref()), owners.join(", ")]
}

fn cell(shown: Option<&Shown>) -> String {
    shown.map_or_else(|| "-".to_owned(), ToString::to_string)
}

/// As wide as needed; what is over is taken from the widest columns.
fn widths(rows: &[[String; COLUMNS]], width: usize) -> [usize; COLUMNS] {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let room = width.saturating_sub(2 * (COLUMNS - 1));
    // The largest limit under which all columns fit; a column below it keeps its width.
    let fits = |limit: usize| widths.iter().map(|width| (*width).min(limit)).sum::<usize>() <= room;
    let limit = (0..=room).rev().find(|limit| fits(*limit)).unwrap_or(0);
    widths.map(|width| width.min(limit))
}

fn fitted(cell: &str, width: usize) -> String {
    if cell.chars().count() <= width {
        return format!("{cell:width$}");
    }
    let start: String = cell.chars().take(width.saturating_sub(1)).collect();
    format!("{start}…")
}
