//! The table of all endpoints, collected from the crates of the program: it routes every request, names what is counted, and makes the API
//! tester and the table in docs/HTTP_API.md.

use super::row::Endpoint;
use crate::description::{Access, Description, In, in_braces, is_of};
use nanotdb_core::Error;
use std::sync::OnceLock;

/// Where what no endpoint and no page took is counted.
pub(crate) const OTHER: u8 = 0;
/// Where the pages are.
pub(crate) const PAGE: u8 = 1;

/// `Allow` of what can be read alone.
pub(crate) const ONLY_GET: &str = "GET, HEAD";

/// All endpoints.
pub(crate) struct Table {
    /// In the order of documents.
    endpoints: Vec<&'static Endpoint>,
    /// Paths without braces, sorted.
    plain: Vec<Place>,
    /// The others, sorted: where two take a path, the one that says more of it comes first.
    patterns: Vec<Place>,
    /// What is counted by itself; [`OTHER`] and [`PAGE`] first.
    names: Vec<&'static str>,
    conflict: Option<String>,
}

/// A path, with what answers there.
pub(crate) struct Place {
    path: &'static str,
    rows: Vec<Row>,
    /// The methods, as they stand in `Allow`.
    pub(crate) allow: String,
}

/// An endpoint, and where it is counted.
#[derive(Clone, Copy)]
pub(crate) struct Row {
    pub(crate) endpoint: &'static Endpoint,
    pub(crate) slot: u8,
}

/// What takes a request.
#[derive(Clone, Copy)]
pub(crate) enum Found {
    Endpoint(Row),
    /// The path is there with other methods.
    OtherMethods(&'static Place),
    /// Nothing is at the path.
    Nothing,
}

/// The table of this program.
pub(crate) fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| Table::of(inventory::iter::<Endpoint>.into_iter().collect()))
}

impl Found {
    /// The endpoint's row.
    pub(crate) fn about(&self) -> Option<&'static Description> {
        match self {
            Self::Endpoint(row) => Some(&row.endpoint.about),
            _ => None,
        }
    }

    /// Whether pages of all sites may ask for what is there.
    pub(crate) fn is_open(&self) -> bool {
        let is_open = |row: &Row| row.endpoint.about.access == Access::Open;
        match self {
            Self::Endpoint(row) => is_open(row),
            Self::OtherMethods(place) => place.rows.iter().any(is_open),
            Self::Nothing => false,
        }
    }
}

impl Table {
    fn of(mut endpoints: Vec<&'static Endpoint>) -> Self {
        endpoints.sort_by_key(|endpoint| {
            let about = &endpoint.about;
            (about.group.rank, about.group.name, about.path, rank(about.method), about.method, about.id)
        });
        let conflict = endpoints.iter().find_map(|one| fault(&one.about)).or_else(|| conflict(&endpoints));
        let mut table =
            Self { endpoints, plain: Vec::new(), patterns: Vec::new(), names: vec!["other", "page"], conflict };
        for endpoint in &table.endpoints {
            let about = &endpoint.about;
            let known = table.names.iter().position(|name| *name == about.counted_as);
            let slot = known.unwrap_or_else(|| {
                table.names.push(about.counted_as);
                table.names.len() - 1
            });
            let row = Row { endpoint, slot: u8::try_from(slot).unwrap_or(OTHER) };
            let places = if about.path.contains('{') { &mut table.patterns } else { &mut table.plain };
            match places.binary_search_by_key(&about.path, |place| place.path) {
                Ok(at) => places.get_mut(at).into_iter().for_each(|place| place.rows.push(row)),
                Err(at) => places.insert(at, Place { path: about.path, rows: vec![row], allow: String::new() }),
            }
        }
        table.plain.iter_mut().chain(&mut table.patterns).for_each(|place| place.allow = allow(&place.rows));
        table
    }

    /// Fails when two endpoints are the same, or one of them makes no sense. Called when a server starts.
    pub(crate) fn check(&self) -> Result<(), Error> {
        self.conflict.as_ref().map_or(Ok(()), |conflict| Err(Error::bad_input(conflict.clone())))
    }

    /// All of them, by group and path.
    pub(crate) fn endpoints(&self) -> impl Iterator<Item = &'static Description> {
        self.endpoints.iter().map(|endpoint| &endpoint.about)
    }

    /// What requests are counted as; a row's slot is a place in it.
    pub(crate) fn names(&self) -> &[&'static str] {
        &self.names
    }

    /// What takes a path with a method. HEAD is GET whose body hyper leaves out.
    pub(crate) fn find(&'static self, path: &str, method: &str) -> Found {
        let place = match self.plain.binary_search_by_key(&path, |place| place.path) {
            Ok(at) => self.plain.get(at),
            Err(_) => self.patterns.iter().find(|place| is_of(place.path, path)),
        };
        let Some(place) = place else { return Found::Nothing };
        let method = if method == "HEAD" { "GET" } else { method };
        let takes = |row: &&Row| {
            let about = &row.endpoint.about;
            about.method == method || about.by_form && method == "POST"
        };
        place.rows.iter().find(takes).map_or(Found::OtherMethods(place), |row| Found::Endpoint(*row))
    }
}

/// How often a method is met, as documents list them.
fn rank(method: &str) -> usize {
    ["GET", "POST", "PUT", "PATCH"].iter().position(|known| *known == method).unwrap_or(usize::MAX)
}

/// The methods of a path.
fn methods(rows: &[Row]) -> Vec<&'static str> {
    let mut methods: Vec<&str> = rows.iter().map(|row| row.endpoint.about.method).collect();
    if rows.iter().any(|row| row.endpoint.about.by_form) && !methods.contains(&"POST") {
        methods.push("POST");
    }
    methods
}

fn allow(rows: &[Row]) -> String {
    let named = methods(rows).into_iter().map(|method| if method == "GET" { ONLY_GET } else { method });
    named.collect::<Vec<_>>().join(", ")
}

/// What makes no sense in a row by itself.
fn fault(about: &Description) -> Option<String> {
    let says = |reason: &str| Some(format!("the endpoint {}: {reason}", named(about)));
    let in_path: Vec<&str> =
        about.params.iter().filter(|param| param.place == In::Path).map(|param| param.name).collect();
    let in_braces: Vec<&str> = about.path.split('/').filter_map(in_braces).collect();
    if !about.path.starts_with('/') || about.path.contains("//") {
        return says("its path has to begin with a slash, and to have text between two of them");
    }
    if about.path.matches(['{', '}']).count() != 2 * in_braces.len() {
        return says("braces in its path have to stand around the whole of a part: /a/{b}/c");
    }
    if in_path != in_braces {
        return says("its Param::path have to be the parts of its path that have braces, in their order");
    }
    if about.method.is_empty() || about.method == "HEAD" || about.method.bytes().any(|b| !b.is_ascii_uppercase()) {
        return says("its method has to be a name in capitals; HEAD is answered where GET is");
    }
    if about.params.len() > 64 {
        return says("it has more than 64 parameters");
    }
    None
}

/// Two endpoints of which a request would mean both, or the same id.
fn conflict(endpoints: &[&'static Endpoint]) -> Option<String> {
    // Of a pattern, whatever its parts are called.
    let shape = |about: &Description| -> String {
        let part = |part: &'static str| if part.starts_with('{') { "{}" } else { part };
        about.path.split('/').map(part).collect::<Vec<_>>().join("/")
    };
    let takes = |about: &Description, method| about.method == method || about.by_form && method == "POST";
    for (at, one) in endpoints.iter().enumerate() {
        for other in endpoints.iter().skip(at + 1) {
            let (a, b) = (&one.about, &other.about);
            let same = if a.id == b.id {
                format!("the id {:?}", a.id)
            } else if shape(a) == shape(b) && (takes(a, b.method) || takes(b, a.method)) {
                format!("{} {}", if takes(a, b.method) { b.method } else { a.method }, a.path)
            } else {
                continue;
            };
            let (a, b) = (named(a), named(b));
            return Some(format!(
                "two endpoints have {same}: {a} and {b}; remove one of the crates that register them"
            ));
        }
    }
    None
}

/// An endpoint, with the file that registers it: of another crate, that names the crate.
fn named(about: &Description) -> String {
    format!("{:?} of {}:{}", about.id, about.place.file(), about.place.line())
}

#[cfg(test)]
mod tests;
