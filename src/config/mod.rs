//! `keepalived.conf` to [`plan::Plan`]: text, keywords, positions, defaults.

pub mod plan;
// TEMPORARY
pub struct Loaded { pub plan: plan::Plan, pub diagnostics: Diagnostics, pub verdict: Verdict }
pub struct Diagnostics;
impl Diagnostics { pub fn render(&self,_:bool)->String{String::new()} pub fn iter(&self)->std::slice::Iter<'_,String>{[].iter()} pub fn has_errors(&self)->bool{false} }
#[derive(PartialEq)] pub enum Verdict { Clean, Complaints, Unusable, Unreadable }
pub fn load(_:&std::path::Path)->Loaded{ Loaded{plan:Default::default(),diagnostics:Diagnostics,verdict:Verdict::Clean} }
