//! What may come next inside a collection: the grammar of YAML 1.1, one token at a time.

use super::compose::{Composer, Next, Open, Place, Shape};
use super::scan::Kind;
use crate::manifest::fault::Fault;

impl<'t> Composer<'t> {
    /// Takes the next token of the innermost open collection.
    pub(super) fn step(&mut self, open: Open) -> Result<(), Fault> {
        match open.next {
            Next::BlockItem | Next::FlatItem => self.block_item(open.next),
            Next::BlockKey => self.block_key(),
            Next::BlockValue => {
                self.expect(Next::BlockKey);
                self.value(Place::BlockEntry, |kind| matches!(kind, Kind::Key | Kind::Value | Kind::BlockEnd))
            }
            Next::FirstFlowItem | Next::FlowItem => self.flow_item(open.next == Next::FirstFlowItem),
            Next::PairKey => {
                self.expect(Next::PairValue);
                let token = self.tokens.peek()?;
                if !matches!(token.kind, Kind::Value | Kind::FlowEntry | Kind::FlowListEnd) {
                    return self.node(Place::Flow);
                }
                // A slip of libyaml: the token that shows that there is no key is dropped.
                let mark = self.tokens.take()?.mark;
                self.empty(mark);
                Ok(())
            }
            Next::PairValue => {
                self.expect(Next::PairEnd);
                self.value(Place::Flow, |kind| matches!(kind, Kind::FlowEntry | Kind::FlowListEnd))
            }
            Next::PairEnd => {
                self.close();
                Ok(())
            }
            Next::FirstFlowKey | Next::FlowKey => self.flow_key(open.next == Next::FirstFlowKey),
            Next::FlowValue => {
                self.expect(Next::FlowKey);
                self.value(Place::Flow, |kind| matches!(kind, Kind::FlowEntry | Kind::FlowMapEnd))
            }
            Next::NoValue => {
                self.expect(Next::FlowKey);
                let mark = self.tokens.peek()?.mark;
                self.empty(mark);
                Ok(())
            }
        }
    }

    /// Reads `: value`; the value, or both, may be left out.
    fn value(&mut self, place: Place, ends: impl Fn(&Kind<'t>) -> bool) -> Result<(), Fault> {
        let mut mark = self.tokens.peek()?.mark;
        if self.tokens.peek()?.kind == Kind::Value {
            self.tokens.take()?;
            let token = self.tokens.peek()?;
            if !ends(&token.kind) {
                return self.node(place);
            }
            mark = token.mark;
        }
        self.empty(mark);
        Ok(())
    }

    fn block_item(&mut self, next: Next) -> Result<(), Fault> {
        let token = self.tokens.peek()?;
        let mark = token.mark;
        match token.kind {
            Kind::BlockEntry => {
                self.tokens.take()?;
                let kind = &self.tokens.peek()?.kind;
                let flat_end = next == Next::FlatItem && matches!(kind, Kind::Key | Kind::Value);
                if flat_end || matches!(kind, Kind::BlockEntry | Kind::BlockEnd) {
                    self.empty(mark);
                    return Ok(());
                }
                self.node(Place::Block)
            }
            Kind::BlockEnd if next == Next::BlockItem => {
                self.tokens.take()?;
                self.close();
                Ok(())
            }
            _ if next == Next::FlatItem => {
                self.close();
                Ok(())
            }
            _ => Err(Fault::syntax(mark, "a list item is expected here").hint("check the indentation")),
        }
    }

    fn block_key(&mut self) -> Result<(), Fault> {
        let token = self.tokens.peek()?;
        let mark = token.mark;
        match token.kind {
            Kind::Key => {
                self.tokens.take()?;
                self.expect(Next::BlockValue);
                if matches!(self.tokens.peek()?.kind, Kind::Key | Kind::Value | Kind::BlockEnd) {
                    self.empty(mark);
                    return Ok(());
                }
                self.node(Place::BlockEntry)
            }
            Kind::BlockEnd => {
                self.tokens.take()?;
                self.close();
                Ok(())
            }
            _ => Err(Fault::syntax(mark, "a key is expected here").hint("check the indentation")),
        }
    }

    fn flow_item(&mut self, first: bool) -> Result<(), Fault> {
        if !first && self.tokens.peek()?.kind != Kind::FlowListEnd {
            self.separator("this flow list needs a `,` or `]` here")?;
        }
        let token = self.tokens.peek()?;
        let mark = token.mark;
        match token.kind {
            Kind::FlowListEnd => {
                self.tokens.take()?;
                self.close();
                Ok(())
            }
            Kind::Key => {
                self.expect(Next::FlowItem);
                self.open_with_token(Shape::Map, mark, Next::PairKey)
            }
            _ => {
                self.expect(Next::FlowItem);
                self.node(Place::Flow)
            }
        }
    }

    fn flow_key(&mut self, first: bool) -> Result<(), Fault> {
        if !first && self.tokens.peek()?.kind != Kind::FlowMapEnd {
            self.separator("this flow map needs a `,` or `}` here")?;
        }
        match self.tokens.peek()?.kind {
            Kind::FlowMapEnd => {
                self.tokens.take()?;
                self.close();
                Ok(())
            }
            Kind::Key => {
                self.tokens.take()?;
                self.expect(Next::FlowValue);
                let token = self.tokens.peek()?;
                let mark = token.mark;
                if matches!(token.kind, Kind::Value | Kind::FlowEntry | Kind::FlowMapEnd) {
                    self.empty(mark);
                    return Ok(());
                }
                self.node(Place::Flow)
            }
            _ => {
                self.expect(Next::NoValue);
                self.node(Place::Flow)
            }
        }
    }

    fn separator(&mut self, missing: &'static str) -> Result<(), Fault> {
        let token = self.tokens.peek()?;
        if token.kind != Kind::FlowEntry {
            return Err(Fault::syntax(token.mark, missing));
        }
        self.tokens.take()?;
        Ok(())
    }
}
