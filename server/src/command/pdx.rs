//! The registry of PDX types and enum constants.

use druse_protocol::codec::Message;
use druse_protocol::message::acknowledgement::Acknowledgement;
use druse_protocol::message::pdx::{
    PdxIdReply, PdxKind, PdxMapReply, PdxObjectReply, PdxQuestion, PdxRequest,
};
use druse_protocol::value::pdx::{EnumInfo, PdxType};

use crate::session::exchange::{Answer, Exchange};
use crate::session::failure::Failure;

/// Answers any of the eight questions.
pub(super) fn pdx(exchange: &mut Exchange<'_>, message: &Message<'_>) -> Result<Answer, Failure> {
    let request = PdxRequest::decode(message)?;
    match request.question {
        PdxQuestion::ById(id) => by_id(exchange, request.kind, id),
        PdxQuestion::All => all(exchange, request.kind),
        PdxQuestion::IdFor(object) => {
            let registry = &exchange.core.pdx;
            let outcome = match request.kind {
                PdxKind::Type => registry.id_for_type(PdxType::decode(object)?),
                PdxKind::Enum => registry.id_for_enum(EnumInfo::decode(object)?),
            };
            exchange.follow(outcome, |exchange, id| {
                let envelope = exchange.envelope();
                PdxIdReply { id: id? }.encode(exchange.out, &envelope);
                Ok(Answer::Done)
            })
        }
        PdxQuestion::Add(object, id) => {
            let registry = &exchange.core.pdx;
            let outcome = match request.kind {
                PdxKind::Type => registry.add_type(PdxType::decode(object)?, id),
                PdxKind::Enum => registry.add_enum(EnumInfo::decode(object)?, id),
            };
            exchange.follow(outcome, |exchange, added| {
                added?;
                let envelope = exchange.envelope();
                Acknowledgement::default().encode(exchange.out, &envelope);
                Ok(Answer::Done)
            })
        }
    }
}

fn by_id(exchange: &mut Exchange<'_>, kind: PdxKind, id: i32) -> Result<Answer, Failure> {
    let object = match kind {
        PdxKind::Type => exchange.core.pdx.type_by_id(id),
        PdxKind::Enum => exchange.core.pdx.enum_by_id(id),
    };
    let envelope = exchange.envelope();
    PdxObjectReply { object: object.as_deref() }.encode(exchange.out, &envelope);
    Ok(Answer::Done)
}

fn all(exchange: &mut Exchange<'_>, kind: PdxKind) -> Result<Answer, Failure> {
    let entries = match kind {
        PdxKind::Type => exchange.core.pdx.types(),
        PdxKind::Enum => exchange.core.pdx.enums(),
    };
    let envelope = exchange.envelope();
    let entries = entries.iter().map(|(id, object)| (*id, &**object));
    PdxMapReply::encode(exchange.out, entries, &envelope);
    Ok(Answer::Done)
}
