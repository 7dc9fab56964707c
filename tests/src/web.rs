//! A client of HTTP as small as can be, and a strict reader of the page of metrics.
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields, names in small letters.
    pub fields: BTreeMap<String, String>,
    /// Body.
    pub body: String,
}

/// GET of a path.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<Answer> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let fault = || std::io::Error::other(format!("no answer in HTTP: {text}"));
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(fault)?;
    let mut lines = head.lines();
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).ok_or_else(fault)?;
    let fields = lines.filter_map(|line| line.split_once(": "));
    let fields = fields.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Ok(Answer { status, fields, body: body.to_owned() })
}

/// One sample: name, labels, value.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Name, with its suffix.
    pub name: String,
    /// Labels by name.
    pub labels: BTreeMap<String, String>,
    /// Value.
    pub value: f64,
}

/// A page of metrics.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// Type by name of the metric.
    pub types: BTreeMap<String, String>,
    /// All samples.
    pub samples: Vec<Sample>,
}

impl Page {
    /// Reads a page as OpenMetrics 1.0 wants it.
    ///
    /// # Panics
    /// At the first line that is not as it should be.
    pub fn read(text: &str) -> Self {
        let mut page = Page::default();
        let mut helped = BTreeSet::new();
        let mut present = String::new();
        let mut seen = BTreeSet::new();
        let body = text.strip_suffix("# EOF\n").expect("a page ends with # EOF");
        for line in body.lines() {
            let word = |at: usize| line.split(' ').nth(at).unwrap_or_else(|| panic!("cut off: {line}"));
            if line.starts_with("# HELP ") {
                assert!(helped.insert(word(2).to_owned()), "helped twice: {line}");
                assert!(line.len() > 10 + word(2).len(), "no help: {line}");
                present = word(2).to_owned();
            } else if line.starts_with("# TYPE ") {
                let twice = page.types.insert(word(2).to_owned(), word(3).to_owned());
                assert!(twice.is_none(), "typed twice: {line}");
                assert!(["counter", "gauge", "histogram"].contains(&word(3)), "{line}");
                present = word(2).to_owned();
            } else {
                let sample = Sample::read(line);
                let kind = page.types.get(&present).unwrap_or_else(|| panic!("no type before {line}"));
                let suffix = sample.name.strip_prefix(present.as_str());
                let good = match kind.as_str() {
                    "counter" => suffix == Some("_total") && sample.value >= 0.0,
                    "gauge" => suffix == Some(""),
                    _ => matches!(suffix, Some("_bucket" | "_sum" | "_count")),
                };
                assert!(good, "{line} is no {kind} {present}");
                assert!(sample.value.is_finite(), "{line}");
                assert!(seen.insert((sample.name.clone(), sample.labels.clone())), "twice: {line}");
                page.samples.push(sample);
            }
        }
        assert_eq!(helped, page.types.keys().cloned().collect(), "each has a help and a type");
        page.check_histograms();
        page
    }

    /// Buckets only grow, end with +Inf, and that is the count.
    fn check_histograms(&self) {
        for (name, _) in self.types.iter().filter(|(_, kind)| *kind == "histogram") {
            let mut last: BTreeMap<BTreeMap<String, String>, (f64, f64)> = BTreeMap::new();
            for sample in self.samples.iter().filter(|sample| sample.name == format!("{name}_bucket")) {
                let mut labels = sample.labels.clone();
                let end = labels.remove("le").expect("a bucket has an end");
                let end = if end == "+Inf" { f64::INFINITY } else { end.parse().expect("a number") };
                if let Some((before, count)) = last.insert(labels, (end, sample.value)) {
                    assert!(before < end && count <= sample.value, "{sample:?} after {before}: {count}");
                }
            }
            for (labels, (end, count)) in last {
                assert_eq!(end, f64::INFINITY, "{name} {labels:?}");
                assert_eq!(self.value(&format!("{name}_count"), &labels), Some(count), "{name} {labels:?}");
                assert!(self.value(&format!("{name}_sum"), &labels).is_some(), "{name} {labels:?}");
            }
        }
    }

    fn value(&self, name: &str, labels: &BTreeMap<String, String>) -> Option<f64> {
        self.samples.iter().find(|sample| sample.name == name && sample.labels == *labels).map(|s| s.value)
    }

    /// The sum of all samples of a name that have these labels among theirs; `None` if there is none.
    pub fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |sample: &&Sample| {
            let has = |(key, value): &(&str, &str)| sample.labels.get(*key).is_some_and(|own| own == value);
            sample.name == name && labels.iter().all(has)
        };
        let mut values = self.samples.iter().filter(fits).map(|sample| sample.value).peekable();
        values.peek()?;
        Some(values.sum())
    }
}

impl Sample {
    fn read(line: &str) -> Self {
        let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
        let (name, labels) = match series.split_once('{') {
            Some((name, labels)) => {
                (name, labels.strip_suffix('}').unwrap_or_else(|| panic!("open: {line}")))
            }
            None => (series, ""),
        };
        let legal = |c: char| c.is_ascii_alphanumeric() || c == '_';
        assert!(!name.is_empty() && name.chars().all(legal), "{line}");
        let pair = |text: &str| {
            let (key, value) = text.split_once("=\"").unwrap_or_else(|| panic!("{text} in {line}"));
            assert!(key.chars().all(legal), "{line}");
            let value = value.strip_suffix('"').unwrap_or_else(|| panic!("{text} in {line}"));
            (key.to_owned(), value.to_owned())
        };
        // No label of ours holds a comma or a quotation mark; one that did would fail above.
        let labels = labels.split(',').filter(|text| !text.is_empty()).map(pair).collect();
        let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
        Self { name: name.to_owned(), labels, value }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# HELP a What.\n# TYPE a counter\na_total{b=\"c\"} 1\n# HELP h How long.\n# TYPE h histogram\n\
                        h_sum 3\nh_count 2\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n# EOF\n";

    #[test]
    fn a_page_is_read() {
        let page = Page::read(GOOD);
        assert_eq!(page.sum("a_total", &[("b", "c")]), Some(1.0));
        assert_eq!((page.sum("a_total", &[("b", "d")]), page.sum("h_bucket", &[])), (None, Some(3.0)));
    }

    #[test]
    fn whatever_is_wrong_is_found() {
        for (from, to) in [
            ("a_total{b", "a{b"),
            ("# EOF\n", ""),
            ("{le=\"+Inf\"} 2", "{le=\"2.0\"} 2"),
            ("h_count 2", "h_count 3"),
            ("} 2\n# EOF", "} 0\n# EOF"),
            ("# TYPE h histogram\n", ""),
            ("# HELP h How long.\n", "# HELP a How long.\n"),
            ("h_sum 3\n", ""),
            ("} 1\n# HELP", "} NaN\n# HELP"),
        ] {
            let bad = GOOD.replacen(from, to, 1);
            assert_ne!(bad, GOOD);
            assert!(std::panic::catch_unwind(|| Page::read(&bad)).is_err(), "{bad}");
        }
    }
}
