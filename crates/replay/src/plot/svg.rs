//! The little of SVG that the picture needs. Texts of a capture are hostile: they go through [`escape`] only.
use std::fmt::{self, Write};

/// Texts of a capture are cut after so many characters.
const LONGEST_TEXT: usize = 160;

/// A coordinate with a tenth of a pixel, as short as can be.
#[derive(Clone, Copy)]
pub(super) struct Px(pub(super) f64);

impl fmt::Display for Px {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tenths = (self.0 * 10.0).round() as i64;
        let sign = if tenths < 0 { "-" } else { "" };
        match (tenths.unsigned_abs() / 10, tenths.unsigned_abs() % 10) {
            (whole, 0) => write!(f, "{sign}{whole}"),
            (whole, tenth) => write!(f, "{sign}{whole}.{tenth}"),
        }
    }
}

/// Elements, in the order in which they are painted.
#[derive(Default)]
pub(super) struct Svg(pub(super) String);

impl Svg {
    /// One piece of markup; whatever comes from the capture was escaped by the caller.
    pub(super) fn raw(&mut self, markup: fmt::Arguments<'_>) {
        // Writing to a string does not fail.
        let _ = self.0.write_fmt(markup);
        self.0.push('\n');
    }

    /// Text with its baseline at `y`, in the classes of the style sheet.
    pub(super) fn text(&mut self, x: f64, y: f64, class: &str, text: &str) {
        self.raw(format_args!(
            r#"<text x="{}" y="{}" class="{class}">{}</text>"#,
            Px(x),
            Px(y),
            escape(text)
        ));
    }

    /// A rectangle.
    pub(super) fn rect(&mut self, (x, y): (f64, f64), (width, height): (f64, f64), class: &str) {
        self.raw(format_args!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" class="{class}"/>"#,
            Px(x),
            Px(y),
            Px(width),
            Px(height)
        ));
    }

    /// A rectangle with a text that a browser shows under the pointer.
    pub(super) fn told(&mut self, at: (f64, f64), size: (f64, f64), class: &str, title: &str) {
        self.raw(format_args!(
            r#"<rect x="{}" y="{}" width="{}" height="{}" class="{class}"><title>{}</title></rect>"#,
            Px(at.0),
            Px(at.1),
            Px(size.0),
            Px(size.1),
            escape(title)
        ));
    }

    /// A path; an empty one is left out.
    pub(super) fn path(&mut self, class: &str, data: &str) {
        if !data.is_empty() {
            self.raw(format_args!(r#"<path class="{class}" d="{data}"/>"#));
        }
    }

    /// Upright strokes of one height, at ascending x; those that fall together are one.
    pub(super) fn strokes(&mut self, class: &str, y: f64, height: f64, at: impl Iterator<Item = f64>) {
        let mut data = String::new();
        let mut last: Option<i64> = None;
        for x in at {
            // Half pixels: finer cannot be seen and only makes the file long.
            let half = (x * 2.0).round() as i64;
            match last {
                None => _ = write!(data, "M{} {}v{}", Px(half as f64 / 2.0), Px(y), Px(height)),
                Some(before) if half <= before => continue,
                Some(before) => {
                    _ = write!(data, "m{} {}v{}", Px((half - before) as f64 / 2.0), Px(-height), Px(height));
                }
            }
            last = Some(half);
        }
        self.path(class, &data);
    }
}

/// Text that is inert in XML: no markup, no control or direction characters, no non-characters, not too long.
pub(super) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (index, c) in text.chars().enumerate() {
        if index == LONGEST_TEXT {
            out.push('…');
            break;
        }
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
            | '\u{feff}'
            | '\u{fffe}'
            | '\u{ffff}' => {
                out.push('\u{fffd}');
            }
            c if c.is_control() => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_text_is_inert() {
        assert_eq!(
            escape("<a href='x'>&\"\0\u{1b}[2J\u{202e}"),
            "&lt;a href=&#39;x&#39;&gt;&amp;&quot;\u{fffd}\u{fffd}[2J\u{fffd}"
        );
        assert_eq!(escape(&"x".repeat(10_000)).chars().count(), LONGEST_TEXT + 1);
    }

    #[test]
    fn coordinates_are_short() {
        let shown = |value| Px(value).to_string();
        assert_eq!([shown(12.0), shown(-0.26), shown(0.04), shown(-0.04)], ["12", "-0.3", "0", "0"]);
    }

    #[test]
    fn strokes_at_one_place_are_one() {
        let mut svg = Svg::default();
        svg.strokes("a", 5.0, 3.0, [1.0, 1.1, 2.6].into_iter());
        assert_eq!(svg.0, "<path class=\"a\" d=\"M1 5v3m1.5 -3v3\"/>\n");
    }
}
