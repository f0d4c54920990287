//! Aligned columns.

use super::{Paint, Style, clean};

/// One cell.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: &str, style: Style) -> Self {
        Self { text: clean(text), style }
    }

    pub(crate) fn plain(text: &str) -> Self {
        Self::new(text, Style::Plain)
    }

    pub(crate) fn dim(text: &str) -> Self {
        Self::new(text, Style::Dim)
    }
}

/// The widest that a column gets. What is wider pushes its own line aside.
const WIDEST: usize = 160;

/// Prints rows, each column as wide as its widest cell but for the last one.
pub(crate) fn table(rows: &[Vec<Cell>], paint: Paint) -> String {
    let mut widths: Vec<usize> = Vec::new();
    for row in rows {
        for (at, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
            let width = cell.text.chars().count().min(WIDEST);
            match widths.get_mut(at) {
                Some(widest) => *widest = width.max(*widest),
                None => widths.push(width),
            }
        }
    }
    let mut text = String::new();
    for row in rows {
        // Nothing is padded for the sake of empty cells at the end.
        let used = row.iter().rposition(|cell| !cell.text.is_empty()).map_or(0, |at| at + 1);
        for (at, cell) in row.iter().enumerate().take(used) {
            text.push_str(&paint.paint(&cell.text, cell.style));
            if at + 1 < used {
                let width = widths.get(at).copied().unwrap_or_default();
                let pad = width.saturating_sub(cell.text.chars().count()) + 2;
                text.extend(std::iter::repeat_n(' ', pad));
            }
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align_and_lines_have_no_white_space_at_their_end() {
        let rows = [
            vec![Cell::plain("KIND"), Cell::plain("NAME"), Cell::plain("NOTE")],
            vec![Cell::plain("Pod"), Cell::dim("a\u{1b}[31m"), Cell::plain("")],
            vec![Cell::plain("├─ é"), Cell::plain(""), Cell::plain("a long last cell")],
        ];
        assert_eq!(
            table(&rows, Paint::Off),
            "KIND  NAME    NOTE\nPod   a\u{fffd}[31m\n├─ é          a long last cell\n"
        );
    }
}
