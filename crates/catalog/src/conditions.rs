//! The conditions of a query, of which only those are there that are asked for.
//!
//! One that may mean nothing (`?1 IS NULL OR …`) would keep SQLite from looking the others up in an index.

use rusqlite::{Params, ToSql};

/// Conditions, and what they compare with.
pub(crate) struct Conditions<'a> {
    sql: String,
    values: Vec<&'a dyn ToSql>,
}

impl<'a> Conditions<'a> {
    /// All rows.
    pub(crate) fn none() -> Self {
        Self {
            sql: "TRUE".to_owned(),
            values: Vec::new(),
        }
    }

    /// Only rows of which this holds, with what is wanted in the place of `?`. `None` asks for nothing.
    pub(crate) fn add(&mut self, condition: &str, wanted: &'a Option<impl ToSql>) {
        if let Some(wanted) = wanted {
            self.values.push(wanted);
            let numbered = format!("?{}", self.values.len());
            self.sql += &format!(" AND {}", condition.replace('?', &numbered));
        }
    }

    /// What stands behind `WHERE`.
    pub(crate) fn sql(&self) -> &str {
        &self.sql
    }

    /// What they compare with.
    pub(crate) fn params(&self) -> impl Params {
        rusqlite::params_from_iter(self.values.iter())
    }
}

/// What `LIKE … ESCAPE '!'` compares with to find a text anywhere, whatever case its letters have.
pub(crate) fn anywhere(text: &str) -> String {
    let mut pattern = "%".to_owned();
    for c in text.chars() {
        if matches!(c, '%' | '_' | '!') {
            pattern.push('!');
        }
        pattern.push(c);
    }
    pattern + "%"
}
