//! Deleting interfaces of ours that nothing wants any more.

use std::collections::BTreeSet;

use crate::kernel::{Link, LinkChange, LinkKind, LinkSettings, Rtnl};

/// A group number that hardly anybody has chosen; where somebody has, the next one is taken.
const DOOMED: u32 = 0x4d53_0001;

/// Deletes those of `names` that are there and of a kind that we make; all at once, since the
/// kernel waits tens of milliseconds for each call.
pub fn delete(names: BTreeSet<String>) {
    if names.is_empty() {
        return;
    }
    if let Err(error) = Rtnl::open().and_then(|rtnl| delete_with(rtnl, &names)) {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        tracing::error!("cannot delete {}: {error}", names.join(", "));
    }
}

fn delete_with(mut rtnl: Rtnl, names: &BTreeSet<String>) -> std::io::Result<()> {
    let links = rtnl.links()?;
    let ours = |kind| matches!(kind, LinkKind::Macvlan { .. } | LinkKind::Ipvlan(_));
    let gone: Vec<&Link> =
        links.iter().filter(|link| names.contains(&link.name) && ours(link.kind)).collect();
    let unused = |number: &u32| links.iter().all(|link| link.group != *number);
    let group = (DOOMED..).find(unused).unwrap_or(DOOMED);
    let mut changes: Vec<_> = gone
        .iter()
        .map(|link| {
            let settings = LinkSettings { group: Some(group), ..LinkSettings::default() };
            LinkChange::Set(link.index, settings)
        })
        .collect();
    if !changes.is_empty() {
        changes.push(LinkChange::DeleteGroup(group));
    }
    for failure in rtnl.change_links(&changes) {
        // The last one is of all that have become members.
        let name = gone.get(failure.index).map_or("interfaces of ours", |link| &link.name);
        tracing::error!("cannot delete {name}: {failure}");
    }
    Ok(())
}
