//! Outcomes of several servers side by side, as one HTML page that needs nothing else.
//!
//! Outcomes are compared where their cases have the same name; several of one server and one case are
//! runs of the same thing, of which the medians are shown. The servers come in the order in which they are
//! met; the first is the one that others are compared with, unless another is named.

mod bars;
mod compare;
mod curves;
mod html;

use std::fs;
use std::path::Path;

use crate::error::BenchError;
use crate::outcome::Outcome;
use compare::Comparison;

/// Reads the outcomes in a file: JSON objects, one after the other.
///
/// # Errors
///
/// When the file cannot be read, holds something else, or nothing.
pub fn read(file: &Path) -> Result<Vec<Outcome>, BenchError> {
    let failure = |why: String| BenchError::NotAReport {
        file: file.to_owned(),
        why,
    };
    let text = fs::read_to_string(file).map_err(|error| failure(error.to_string()))?;
    let outcomes = serde_json::Deserializer::from_str(&text)
        .into_iter()
        .collect::<Result<Vec<Outcome>, _>>()
        .map_err(|error| failure(format!("no outcome of restante bench --json: {error}")))?;
    match outcomes.is_empty() {
        true => Err(failure("it is empty".to_owned())),
        false => Ok(outcomes),
    }
}

/// The page; none of the servers is called `baseline`: none.
pub fn html(outcomes: &[Outcome], baseline: Option<&str>) -> Option<String> {
    let comparison = Comparison::of(outcomes, baseline)?;
    Some(html::page(&comparison))
}
