//! A flow as a graph: one node per step, edges for "next" and for every exit.
use crate::{step::Step, yaml::Place};
use std::collections::BTreeMap;

/// One node of a [`Graph`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(pub usize);

/// What comes after a node when its step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// That node.
    Node(NodeId),
    /// What comes after that node: the end of an exit's block leads back behind its step.
    After(NodeId),
    /// Nothing: the flow would run off its end.
    End,
}

/// A step in its place.
#[derive(Debug)]
pub(crate) struct Placed {
    pub step: Box<dyn Step>,
    pub place: Place,
    /// Label and exit under which it stands, e.g. `main` or `main.no_input`.
    pub section: String,
    pub follow: Follow,
}

/// All nodes of a flow; complete after parsing without faults.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    nodes: Vec<Option<Placed>>,
    labels: BTreeMap<String, (NodeId, Place)>,
}

impl Graph {
    /// A node that is filled later, so that its exits can refer to it.
    pub fn reserve(&mut self) -> NodeId {
        self.nodes.push(None);
        NodeId(self.nodes.len() - 1)
    }

    /// Fills a reserved node.
    pub fn fill(&mut self, id: NodeId, step: Box<dyn Step>, place: Place, section: String, follow: Follow) {
        self.nodes[id.0] = Some(Placed { step, place, section, follow });
    }

    /// Changes what comes after a node.
    pub fn set_follow(&mut self, id: NodeId, follow: Follow) {
        if let Some(placed) = &mut self.nodes[id.0] {
            placed.follow = follow;
        }
    }

    /// Names a node; the place of the earlier one if the name is taken.
    pub fn label(&mut self, name: &str, id: NodeId, place: Place) -> Result<(), Place> {
        match self.labels.insert(name.to_owned(), (id, place)) {
            None => Ok(()),
            Some((_, earlier)) => Err(earlier),
        }
    }

    /// The node with this name.
    pub fn labelled(&self, name: &str) -> Option<NodeId> {
        self.labels.get(name).map(|(id, _)| *id)
    }

    /// All names.
    pub fn labels(&self) -> impl Iterator<Item = (&str, NodeId, Place)> {
        self.labels.iter().map(|(name, (id, place))| (name.as_str(), *id, *place))
    }

    /// A filled node; `None` for one whose step had a fault.
    pub fn get(&self, id: NodeId) -> Option<&Placed> {
        self.nodes.get(id.0).and_then(Option::as_ref)
    }

    /// All filled nodes, in the order of the file (a step's exits come after it).
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Placed)> {
        self.nodes.iter().enumerate().filter_map(|(at, placed)| Some((NodeId(at), placed.as_ref()?)))
    }

    /// The node after this one; `None` at the end of the flow.
    pub fn after(&self, id: NodeId) -> Option<NodeId> {
        let mut id = id;
        // A chain of "after" is as long as blocks are nested; the bound only guards against a cycle by mistake.
        for _ in 0..self.nodes.len() {
            match self.get(id)?.follow {
                Follow::Node(next) => return Some(next),
                Follow::After(owner) => id = owner,
                Follow::End => return None,
            }
        }
        None
    }
}
