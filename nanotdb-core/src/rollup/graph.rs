//! Which database feeds which: the order of work, and rings, in which there is none.

use std::collections::{BTreeMap, BTreeSet};

/// Destinations by source.
pub(super) type Edges = BTreeMap<String, BTreeSet<String>>;

/// Sources in an order in which each comes after all that feed it, and the rings that were found. Databases in a ring, and
/// those that only a ring feeds, are in the order too: somewhere.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Order {
    /// Every source.
    pub(super) sources: Vec<String>,
    /// Each begins and ends with the same database.
    pub(super) cycles: Vec<Vec<String>>,
}

impl Order {
    /// Sorts.
    pub(super) fn of(edges: &Edges) -> Order {
        let mut walk = Walk { edges, state: BTreeMap::new(), path: Vec::new(), done: Vec::new(), cycles: Vec::new() };
        for source in edges.keys() {
            walk.visit(source);
        }
        walk.done.reverse();
        Order { sources: walk.done, cycles: walk.cycles }
    }

    /// The ring that a database is part of.
    pub(super) fn cycle_of(&self, database: &str) -> Option<&[String]> {
        self.cycles.iter().find(|cycle| cycle.iter().any(|name| name == database)).map(Vec::as_slice)
    }
}

/// Rings of databases that feed each other, given the destinations of each: `a -> b -> a`, with the first of them.
pub(crate) fn rings(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<(String, String)> {
    let cycles = Order::of(edges).cycles;
    cycles.iter().filter_map(|cycle| Some((cycle.first()?.clone(), chain(cycle)))).collect()
}

/// A ring as text: `a -> b -> a`.
pub(super) fn chain(cycle: &[String]) -> String {
    cycle.join(" -> ")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Begun,
    Done,
}

struct Walk<'a> {
    edges: &'a Edges,
    state: BTreeMap<&'a str, Visit>,
    path: Vec<&'a str>,
    done: Vec<String>,
    cycles: Vec<Vec<String>>,
}

impl<'a> Walk<'a> {
    /// Depth first. The depth is that of the longest cascade.
    fn visit(&mut self, source: &'a str) {
        match self.state.get(source) {
            Some(Visit::Done) => return,
            Some(Visit::Begun) => {
                let from = self.path.iter().position(|name| *name == source).unwrap_or_default();
                let ring = self.path.iter().skip(from).chain([&source]);
                self.cycles.push(ring.map(|name| (*name).to_owned()).collect());
                return;
            }
            None => {}
        }
        let Some(destinations) = self.edges.get(source) else { return };
        self.state.insert(source, Visit::Begun);
        self.path.push(source);
        for destination in destinations {
            self.visit(destination);
        }
        self.path.pop();
        self.state.insert(source, Visit::Done);
        self.done.push(source.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edges(pairs: &[(&str, &str)]) -> Edges {
        let mut edges = Edges::new();
        for (from, to) in pairs {
            edges.entry((*from).to_owned()).or_default().insert((*to).to_owned());
        }
        edges
    }

    #[test]
    fn sources_come_after_what_feeds_them() {
        let order = Order::of(&edges(&[("d", "w"), ("h", "d"), ("raw", "h"), ("raw", "d"), ("x", "y")]));
        assert_eq!(order.cycles, Vec::<Vec<String>>::new());
        let at = |name: &str| order.sources.iter().position(|s| s == name).unwrap();
        assert_eq!(order.sources.len(), 4);
        assert!(at("raw") < at("h") && at("h") < at("d"));
    }

    #[test]
    fn rings_are_named() {
        let order = Order::of(&edges(&[("a", "b"), ("b", "c"), ("c", "b"), ("s", "s")]));
        assert_eq!(order.cycles.iter().map(|c| chain(c)).collect::<Vec<_>>(), ["b -> c -> b", "s -> s"]);
        assert_eq!(order.cycle_of("c").map(chain).as_deref(), Some("b -> c -> b"));
        assert_eq!(order.cycle_of("a"), None);
    }
}
