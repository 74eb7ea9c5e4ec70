//! Reads as much of a git index as it takes to prove that a folder still holds the tree it was
//! read from, without starting a git. What this cannot prove is git's to find out.

use std::{collections::BTreeMap, fmt::Write, fs::Metadata, os::unix::fs::MetadataExt, path::Path};

/// The files of a tree as they were when git laid them out (format: `gitformat-index(5)`).
pub(super) struct GitIndex {
    /// The hex id of the tree that all entries make up.
    pub(super) tree: String,
    /// The files that say how others are laid out, with the ids of what they hold.
    pub(super) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    files: BTreeMap<Vec<u8>, Stat>,
    written: (i64, i64),
}

/// What an entry keeps of a file, in the width it keeps it.
#[derive(PartialEq, Eq)]
struct Stat {
    changed: (u32, u32),
    modified: (u32, u32),
    inode: u32,
    mode: u32,
    owner: (u32, u32),
    size: u32,
}

const ENTRY: usize = 62;
const ID: usize = 20;
const REGULAR: u32 = 0o100_644;
const EXECUTABLE: u32 = 0o100_755;
const LINK: u32 = 0o120_000;

impl GitIndex {
    /// Reads an index; nothing if it is of a kind that is not understood here.
    pub(super) fn read(path: &Path) -> Option<Self> {
        let bytes = std::fs::read(path).ok()?;
        let metadata = std::fs::metadata(path).ok()?;
        let mut rest = bytes.strip_prefix(b"DIRC\0\0\0\x02")?;
        let count = number(rest.split_off(..4)?)?;
        let (mut files, mut attributes) = (BTreeMap::new(), Vec::new());
        for _ in 0..count {
            let id = rest.get(ENTRY - 2 - ID..ENTRY - 2)?;
            let (name, stat) = entry(&mut rest)?;
            if name.ends_with(b".gitattributes") {
                attributes.push((name.clone(), id.to_vec()));
            }
            files.insert(name, stat);
        }
        let tree = whole_tree(rest)?;
        Some(Self { tree, attributes, files, written: (metadata.mtime(), metadata.mtime_nsec()) })
    }

    pub(super) fn len(&self) -> usize {
        self.files.len()
    }

    /// Tells whether a file is listed and cannot have changed since it was laid out.
    pub(super) fn proves(&self, name: &[u8], file: &Metadata) -> bool {
        self.files.get(name).is_some_and(|listed| {
            // Changed in the very moment in which the index was written, it could look the same.
            let (seconds, nanoseconds) = listed.modified;
            (i64::from(seconds), i64::from(nanoseconds)) < self.written && *listed == stat_of(file)
        })
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "as git does")]
fn stat_of(file: &Metadata) -> Stat {
    let executable = file.mode() & 0o100 != 0;
    Stat {
        changed: (file.ctime() as u32, file.ctime_nsec() as u32),
        modified: (file.mtime() as u32, file.mtime_nsec() as u32),
        inode: file.ino() as u32,
        mode: match (file.is_symlink(), executable) {
            (true, _) => LINK,
            (false, true) => EXECUTABLE,
            (false, false) => REGULAR,
        },
        owner: (file.uid(), file.gid()),
        size: file.size() as u32,
    }
}

fn number(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// Takes one entry off; nothing if git has to interpret it: conflicts, modules, and the like.
fn entry(rest: &mut &[u8]) -> Option<(Vec<u8>, Stat)> {
    let field = |at: usize| number(rest.get(at * 4..at * 4 + 4)?);
    let stat = Stat {
        changed: (field(0)?, field(1)?),
        modified: (field(2)?, field(3)?),
        inode: field(5)?,
        mode: field(6)?,
        owner: (field(7)?, field(8)?),
        size: field(9)?,
    };
    let flags = u16::from_be_bytes(rest.get(ENTRY - 2..ENTRY)?.try_into().ok()?);
    let name = rest.get(ENTRY..)?.split(|byte| *byte == 0).next()?.to_vec();
    // Up to eight bytes of NUL, so that the next entry begins at a multiple of eight.
    let length = (ENTRY + name.len() + 8) & !7;
    *rest = rest.get(length..)?;
    let is_plain = flags >> 12 == 0 && [REGULAR, EXECUTABLE, LINK].contains(&stat.mode);
    is_plain.then_some((name, stat))
}

/// Returns the tree that the extension `TREE` names for the whole index, if every extension is one
/// that may be left alone.
fn whole_tree(mut rest: &[u8]) -> Option<String> {
    let mut tree = None;
    while rest.len() > ID {
        let signature = rest.split_off(..4)?;
        let length = usize::try_from(number(rest.split_off(..4)?)?).ok()?;
        let content = rest.split_off(..length)?;
        // Whoever does not know such an extension must not go on: entries may lie elsewhere.
        if !signature[0].is_ascii_uppercase() {
            return None;
        }
        if signature == b"TREE" {
            tree = Some(root_of(content)?);
        }
    }
    tree
}

/// Reads the id of the root: the path, which is empty, the counts of entries and subtrees, the id.
/// A count below zero means that there is none.
fn root_of(content: &[u8]) -> Option<String> {
    let counts = content.strip_prefix(b"\0")?;
    let end = counts.iter().position(|byte| *byte == b'\n')?;
    if counts.starts_with(b"-") {
        return None;
    }
    let id = counts.get(end + 1..end + 1 + ID)?;
    let mut tree = String::with_capacity(2 * ID);
    for byte in id {
        let _ = write!(tree, "{byte:02x}");
    }
    Some(tree)
}
