//! Writes one metric at a time.
use prometheus_client::{encoding::DescriptorEncoder, metrics::MetricType};
use std::fmt::Result;

/// No labels, where the encoder wants a type of them.
type NoLabels = [(&'static str, &'static str); 0];

/// Labels of one value; empty: none.
pub type Labels<'a> = Vec<(&'static str, &'a str)>;

/// A metric that can go either way.
pub fn gauge<'a>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels<'a>, f64)>,
) -> Result {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Gauge)?;
    for (labels, value) in values {
        match labels.is_empty() {
            true => metric.encode_gauge(&value)?,
            false => metric.encode_family(&labels)?.encode_gauge(&value)?,
        }
    }
    Ok(())
}

/// A metric that only grows; `name` without `_total`.
pub fn counter<'a>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = (Labels<'a>, u64)>,
) -> Result {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Counter)?;
    for (labels, value) in values {
        match labels.is_empty() {
            true => metric.encode_counter::<NoLabels, _, f64>(&value, None)?,
            false => metric.encode_family(&labels)?.encode_counter::<NoLabels, _, f64>(&value, None)?,
        }
    }
    Ok(())
}

/// One value of a histogram: labels, sum, and how many fell into each class, by its upper end.
pub type Distribution<'a> = (Labels<'a>, f64, Vec<(f64, u64)>);

/// Classes by their upper ends, the last one open: from counts that are one more than the ends, which are given in
/// `unit`s of a second.
pub fn classes(ends: &[u64], unit: f64, counts: &[u64]) -> Vec<(f64, u64)> {
    let ends = ends.iter().map(|end| *end as f64 / unit).chain([f64::INFINITY]);
    ends.zip(counts.iter().copied()).collect()
}

/// A distribution.
pub fn histogram<'a>(
    to: &mut DescriptorEncoder<'_>,
    name: &str,
    help: &str,
    values: impl IntoIterator<Item = Distribution<'a>>,
) -> Result {
    let mut metric = to.encode_descriptor(name, help, None, MetricType::Histogram)?;
    for (labels, sum, classes) in values {
        let count = classes.iter().map(|(_, count)| count).sum();
        match labels.is_empty() {
            true => metric.encode_histogram::<NoLabels>(sum, count, &classes, None)?,
            false => {
                metric.encode_family(&labels)?.encode_histogram::<NoLabels>(sum, count, &classes, None)?
            }
        }
    }
    Ok(())
}
