//! Names: directories, and what of them is durable.

use super::fault::CrashModel;
use super::file::SimNode;
use super::rng::Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

/// Inode number. Never used again.
pub(super) type Ino = u64;
type Name = Arc<OsStr>;
/// A directory and a name in it.
type Place = (Ino, Name);

pub(super) const ROOT: Ino = 0;

#[derive(Debug, Clone, Default)]
struct Dir {
    visible: BTreeMap<Name, Ino>,
    durable: BTreeMap<Name, Ino>,
}

#[derive(Debug, Clone)]
enum Kind {
    File(SimNode),
    Dir(Dir),
}

#[derive(Debug, Clone)]
struct Inode {
    kind: Kind,
    visible_at: Option<Place>,
    durable_at: Option<Place>,
}

/// A change of names that is not durable yet: a new name (`to`), a removed one (`from`), or both for a rename.
#[derive(Debug, Clone)]
struct EntryChange {
    ino: Ino,
    is_dir: bool,
    from: Option<Place>,
    to: Option<Place>,
    /// The directory that is gone with this change: removed, or replaced by a rename.
    gone: Option<Ino>,
}

impl EntryChange {
    /// The directories that a journal would write in one transaction with this change, each once. The directory
    /// that is gone counts: that it is gone implies that everything had left it.
    fn dirs(&self) -> impl Iterator<Item = Ino> + use<> {
        let from = self.from.as_ref().map(|place| place.0);
        let to = self.to.as_ref().map(|place| place.0).filter(|&dir| from != Some(dir));
        [from, to, self.gone].into_iter().flatten()
    }
}

/// The whole tree, visible and durable.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    inodes: BTreeMap<Ino, Inode>,
    next: Ino,
    pending: Vec<EntryChange>,
    /// Files that have, or had, two names.
    linked: BTreeSet<Ino>,
    sweep_at: usize,
}

impl Default for Tree {
    fn default() -> Self {
        let root = Inode { kind: Kind::Dir(Dir::default()), visible_at: None, durable_at: None };
        Self {
            inodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            pending: Vec::new(),
            linked: BTreeSet::new(),
            sweep_at: 64,
        }
    }
}

/// The names on the way to `path`. Relative paths start at the root; `..` is resolved without looking.
fn names(path: &Path) -> Vec<&OsStr> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => names.push(name),
            Component::ParentDir => drop(names.pop()),
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    names
}

impl Tree {
    fn dir(&self, ino: Ino) -> io::Result<&Dir> {
        match self.inodes.get(&ino).map(|i| &i.kind) {
            Some(Kind::Dir(dir)) => Ok(dir),
            Some(Kind::File(_)) => Err(io::ErrorKind::NotADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    fn dir_mut(&mut self, ino: Ino) -> Option<&mut Dir> {
        match self.inodes.get_mut(&ino).map(|i| &mut i.kind) {
            Some(Kind::Dir(dir)) => Some(dir),
            _ => None,
        }
    }

    pub(super) fn is_dir(&self, ino: Ino) -> bool {
        self.dir(ino).is_ok()
    }

    pub(super) fn file(&self, ino: Ino) -> io::Result<&SimNode> {
        match self.inodes.get(&ino).map(|i| &i.kind) {
            Some(Kind::File(file)) => Ok(file),
            Some(Kind::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// A file that is about to be changed in place.
    pub(super) fn file_to_change(&mut self, ino: Ino) -> io::Result<&mut SimNode> {
        match self.linked.contains(&ino) {
            true => Err(io::Error::other("simulated: a file of two names is changed in place")),
            false => self.file_mut(ino),
        }
    }

    pub(super) fn file_mut(&mut self, ino: Ino) -> io::Result<&mut SimNode> {
        match self.inodes.get_mut(&ino).map(|i| &mut i.kind) {
            Some(Kind::File(file)) => Ok(file),
            Some(Kind::Dir(_)) => Err(io::ErrorKind::IsADirectory.into()),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    /// What reads find at `path`.
    pub(super) fn resolve(&self, path: &Path) -> io::Result<Ino> {
        let mut at = ROOT;
        for name in names(path) {
            at = *self.dir(at)?.visible.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(at)
    }

    /// The directory that holds, or would hold, `path`, and the last name.
    pub(super) fn place(&self, path: &Path) -> io::Result<Place> {
        let names = names(path);
        let (last, parents) = names.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        let mut at = ROOT;
        for &name in parents {
            at = *self.dir(at)?.visible.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        self.dir(at)?;
        Ok((at, Arc::from(*last)))
    }

    pub(super) fn child(&self, place: &Place) -> Option<Ino> {
        self.dir(place.0).ok()?.visible.get(&place.1).copied()
    }

    /// The directories of `path` that are missing, outermost first.
    pub(super) fn missing_dirs(&self, path: &Path) -> io::Result<Vec<PathBuf>> {
        let names = names(path);
        let mut missing = Vec::new();
        let mut at = Some(ROOT);
        let mut here = PathBuf::from("/");
        for (depth, name) in names.iter().enumerate() {
            here.push(name);
            at = match at {
                Some(dir) => self.dir(dir)?.visible.get(*name).copied(),
                None => None,
            };
            match at {
                None => missing.push(here.clone()),
                // As mkdir says it: a file where the directory should be, or on the way.
                Some(ino) if !self.is_dir(ino) && depth + 1 == names.len() => {
                    return Err(io::ErrorKind::AlreadyExists.into());
                }
                Some(_) => {}
            }
        }
        Ok(missing)
    }

    /// The names in a directory, in order.
    pub(super) fn list(&self, path: &Path) -> io::Result<Vec<(Name, Ino)>> {
        let dir = self.dir(self.resolve(path)?)?;
        Ok(dir.visible.iter().map(|(name, ino)| (Arc::clone(name), *ino)).collect())
    }

    fn unname(&mut self, place: &Place) -> Option<Ino> {
        let gone = self.dir_mut(place.0)?.visible.remove(&place.1)?;
        if let Some(inode) = self.inodes.get_mut(&gone) {
            inode.visible_at = None;
        }
        Some(gone)
    }

    fn name(&mut self, place: &Place, ino: Ino) {
        if let Some(dir) = self.dir_mut(place.0) {
            dir.visible.insert(Arc::clone(&place.1), ino);
        }
        if let Some(inode) = self.inodes.get_mut(&ino) {
            inode.visible_at = Some(place.clone());
        }
    }

    /// Makes an empty file or directory at a free place.
    pub(super) fn create(&mut self, place: &Place, is_dir: bool) -> Ino {
        let ino = self.next;
        self.next += 1;
        let kind = if is_dir { Kind::Dir(Dir::default()) } else { Kind::File(SimNode::default()) };
        self.inodes.insert(ino, Inode { kind, visible_at: None, durable_at: None });
        self.name(place, ino);
        self.pending.push(EntryChange { ino, is_dir, from: None, to: Some(place.clone()), gone: None });
        ino
    }

    /// Gives a file a second name at a free place.
    pub(super) fn link(&mut self, source: Ino, place: &Place) -> io::Result<()> {
        let node = self.file(source)?.clone();
        let ino = self.create(place, false);
        *self.file_mut(ino)? = node;
        self.linked.extend([source, ino]);
        Ok(())
    }

    /// Removes the name at `place`; the content stays while somebody has it open.
    pub(super) fn remove(&mut self, place: &Place) {
        if let Some(ino) = self.unname(place) {
            let is_dir = self.is_dir(ino);
            self.pending.push(EntryChange {
                ino,
                is_dir,
                from: Some(place.clone()),
                to: None,
                gone: is_dir.then_some(ino),
            });
        }
    }

    /// Whether `rename(from, to)` may go ahead; `false` when it has nothing to do.
    pub(super) fn check_rename(&self, from: &Place, to: &Place) -> io::Result<bool> {
        let ino = self.child(from).ok_or(io::ErrorKind::NotFound)?;
        if self.is_dir(ino) && self.leads_to(to.0, ino, |i| i.visible_at.as_ref()) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        match self.child(to) {
            Some(target) if target == ino => Ok(false),
            Some(target) => match (self.is_dir(ino), self.dir(target)) {
                (false, Ok(_)) => Err(io::ErrorKind::IsADirectory.into()),
                (true, Err(_)) => Err(io::ErrorKind::NotADirectory.into()),
                (true, Ok(dir)) if !dir.visible.is_empty() => Err(io::ErrorKind::DirectoryNotEmpty.into()),
                _ => Ok(true),
            },
            None => Ok(true),
        }
    }

    /// Renames; `check_rename` said yes.
    pub(super) fn rename(&mut self, from: &Place, to: &Place) {
        let Some(ino) = self.unname(from) else { return };
        let gone = self.unname(to).filter(|&replaced| self.is_dir(replaced));
        self.name(to, ino);
        let is_dir = self.is_dir(ino);
        self.pending.push(EntryChange { ino, is_dir, from: Some(from.clone()), to: Some(to.clone()), gone });
    }

    /// Whether `ino` is `start` or one of the directories above it.
    fn leads_to(&self, start: Ino, ino: Ino, up: impl Fn(&Inode) -> Option<&Place>) -> bool {
        let mut at = start;
        loop {
            if at == ino {
                return true;
            }
            match self.inodes.get(&at).and_then(&up) {
                Some((parent, _)) => at = *parent,
                None => return false,
            }
        }
    }

    /// Makes one change durable, unless what survived of the changes before it left no sense in it.
    fn apply(&mut self, change: &EntryChange) {
        let Some(to) = &change.to else {
            let full = self.dir(change.ino).is_ok_and(|dir| !dir.durable.is_empty());
            if !full && self.inodes.get(&change.ino).is_some_and(|i| i.durable_at == change.from) {
                self.unname_durable(change.ino);
            }
            return;
        };
        let Ok(dir) = self.dir(to.0) else { return };
        let displaced = dir.durable.get(&to.1).copied();
        if displaced.and_then(|ino| self.dir(ino).ok()).is_some_and(|dir| !dir.durable.is_empty()) {
            return;
        }
        if change.is_dir && self.leads_to(to.0, change.ino, |i| i.durable_at.as_ref()) {
            return;
        }
        if let Some(displaced) = displaced {
            self.unname_durable(displaced);
        }
        // One file, one name: also when the rename before this one did not survive.
        self.unname_durable(change.ino);
        if let Some(dir) = self.dir_mut(to.0) {
            dir.durable.insert(Arc::clone(&to.1), change.ino);
        }
        if let Some(inode) = self.inodes.get_mut(&change.ino) {
            inode.durable_at = Some(to.clone());
        }
    }

    fn unname_durable(&mut self, ino: Ino) {
        if let Some(place) = self.inodes.get_mut(&ino).and_then(|i| i.durable_at.take())
            && let Some(dir) = self.dir_mut(place.0)
        {
            dir.durable.remove(&place.1);
        }
    }

    /// Makes the names in `dir` durable, with the other half of each rename and what had to happen before it.
    pub(super) fn sync_dir(&mut self, dir: Ino) {
        let mut dirs = BTreeSet::from([dir]);
        let mut keep = vec![false; self.pending.len()];
        for (keep, change) in keep.iter_mut().zip(&self.pending).rev() {
            if change.dirs().any(|d| dirs.contains(&d)) {
                *keep = true;
                dirs.extend(change.dirs());
            }
        }
        let pending = std::mem::take(&mut self.pending);
        for (keep, change) in keep.into_iter().zip(pending) {
            if keep {
                self.apply(&change);
            } else {
                self.pending.push(change);
            }
        }
    }

    /// Makes everything visible durable.
    pub(super) fn settle(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            self.apply(&change);
        }
        for inode in self.inodes.values_mut() {
            if let Kind::File(file) = &mut inode.kind {
                file.settle();
            }
        }
    }

    /// Which pending changes survive a power loss.
    fn survivors(&self, model: CrashModel, rng: &mut Rng) -> Vec<bool> {
        let all = rng.below(8);
        match (all, model) {
            (0, _) => vec![false; self.pending.len()],
            (1, _) => vec![true; self.pending.len()],
            (_, CrashModel::Arbitrary) => self.pending.iter().map(|_| rng.coin()).collect(),
            (_, CrashModel::Ordered) => {
                let mut left: BTreeMap<Ino, usize> = BTreeMap::new();
                for dir in self.pending.iter().flat_map(EntryChange::dirs) {
                    *left.entry(dir).or_default() += 1;
                }
                for count in left.values_mut() {
                    *count = rng.below(*count + 1);
                }
                let survives = |change: &EntryChange| {
                    let open = change.dirs().all(|d| left.get(&d).is_some_and(|&n| n > 0));
                    for dir in change.dirs() {
                        if let Some(n) = left.get_mut(&dir) {
                            *n = if open { *n - 1 } else { 0 };
                        }
                    }
                    open
                };
                self.pending.iter().map(survives).collect()
            }
        }
    }

    /// Power loss: what is left is both visible and durable.
    pub(super) fn crash(&mut self, model: CrashModel, rng: &mut Rng) {
        let survivors = self.survivors(model, rng);
        for (survives, change) in survivors.into_iter().zip(std::mem::take(&mut self.pending)) {
            if survives {
                self.apply(&change);
            }
        }
        for inode in self.inodes.values_mut() {
            inode.visible_at.clone_from(&inode.durable_at);
            if let Kind::Dir(dir) = &mut inode.kind {
                dir.visible.clone_from(&dir.durable);
            }
        }
        let reachable: BTreeSet<Ino> = self.walk(|dir| &dir.durable).into_iter().map(|(_, ino)| ino).collect();
        self.inodes.retain(|ino, _| *ino == ROOT || reachable.contains(ino));
        for inode in self.inodes.values_mut() {
            if let Kind::File(file) = &mut inode.kind {
                file.crash(rng);
            }
        }
    }

    /// Every path below the root with its inode, parents first, in order of names.
    fn walk(&self, entries: impl Fn(&Dir) -> &BTreeMap<Name, Ino>) -> Vec<(PathBuf, Ino)> {
        let mut found = Vec::new();
        let mut open = vec![(PathBuf::from("/"), ROOT)];
        while let Some((path, ino)) = open.pop() {
            if let Ok(dir) = self.dir(ino) {
                open.extend(entries(dir).iter().rev().map(|(name, child)| (path.join(&**name), *child)));
            }
            if ino != ROOT {
                found.push((path, ino));
            }
        }
        found
    }

    /// Path and content of every file that reads see.
    pub(super) fn visible_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let read = |(path, ino)| Some((path, self.file(ino).ok()?.visible().to_vec()));
        self.walk(|dir| &dir.visible).into_iter().filter_map(read).collect()
    }

    /// Path and content of every file as far as it is certain to survive a crash.
    pub(super) fn durable_files(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let read = |(path, ino)| Some((path, self.file(ino).ok()?.durable().to_vec()));
        self.walk(|dir| &dir.durable).into_iter().filter_map(read).collect()
    }

    /// Lengths of all files that have a name or are open, in bytes; holes count.
    pub(super) fn used(&self, open: &BTreeSet<Ino>) -> u64 {
        let held = |(ino, inode): (&Ino, &Inode)| match &inode.kind {
            Kind::File(file) if inode.visible_at.is_some() || open.contains(ino) => file.visible().len(),
            _ => 0,
        };
        self.inodes.iter().map(held).sum()
    }

    /// Frees inodes that nothing refers to, now and then.
    pub(super) fn sweep(&mut self, open: impl FnOnce() -> BTreeSet<Ino>) {
        if self.inodes.len() < self.sweep_at {
            return;
        }
        let mut held = open();
        held.extend(self.pending.iter().map(|change| change.ino));
        held.insert(ROOT);
        self.inodes.retain(|ino, inode| inode.visible_at.is_some() || inode.durable_at.is_some() || held.contains(ino));
        self.sweep_at = self.inodes.len() * 2 + 64;
    }

    #[cfg(test)]
    pub(super) fn inode_count(&self) -> usize {
        self.inodes.len()
    }
}
