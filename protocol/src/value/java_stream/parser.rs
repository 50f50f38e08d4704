//! The grammar itself, after `java.io.ObjectInputStream`.

use super::{
    Array, Class, ClassData, ClassFlags, ClassId, Content, Elements, Field, Item, ItemId, MAX_ANCESTORS,
    MAX_CLASSES, MAX_DEPTH, MAX_FIELDS, Object, Primitive, Stream,
};
use crate::codec::Reader;
use crate::error::DecodeError;

const MAGIC_AND_VERSION: u32 = 0xaced_0005;
const FIRST_HANDLE: u32 = 0x7e_0000;

const NULL: u8 = 0x70;
const REFERENCE: u8 = 0x71;
const CLASS_DESCRIPTOR: u8 = 0x72;
const OBJECT: u8 = 0x73;
const STRING: u8 = 0x74;
const ARRAY: u8 = 0x75;
const CLASS: u8 = 0x76;
const BLOCK: u8 = 0x77;
const END_OF_BLOCK: u8 = 0x78;
const RESET: u8 = 0x79;
const LONG_BLOCK: u8 = 0x7a;
const LONG_STRING: u8 = 0x7c;
const PROXY_DESCRIPTOR: u8 = 0x7d;
const ENUM: u8 = 0x7e;

const FIELD: &str = "java stream";

type Result<T> = std::result::Result<T, DecodeError>;

fn unexpected(token: u8) -> DecodeError {
    DecodeError::Invalid { field: "java stream token", value: i64::from(token) }
}

/// Walks one stream. Unless it keeps, it stores classes only.
pub(super) struct Parser<'r, 'a> {
    reader: &'r mut Reader<'a>,
    keep: bool,
    /// Handles given out so far; a handle is needed even where its item is not kept.
    handles: usize,
    items: Vec<Item<'a>>,
    /// In ascending order of handles.
    classes: Vec<Class<'a>>,
    fields: usize,
    depth: usize,
}

impl<'r, 'a> Parser<'r, 'a> {
    pub(super) fn new(reader: &'r mut Reader<'a>, keep: bool) -> Self {
        Self { reader, keep, handles: 0, items: Vec::new(), classes: Vec::new(), fields: 0, depth: 0 }
    }

    pub(super) fn stream(mut self) -> Result<Stream<'a>> {
        let magic = self.reader.u32("java stream magic")?;
        if magic != MAGIC_AND_VERSION {
            return Err(DecodeError::Invalid { field: "java stream magic", value: i64::from(magic) });
        }
        let mut token = self.token()?;
        while token == RESET {
            token = self.token()?;
        }
        let root = self.object(token)?;
        Ok(Stream { root, items: self.items, classes: self.classes })
    }

    fn token(&mut self) -> Result<u8> {
        self.reader.u8("java stream token")
    }

    /// Reads what stands in the place of an object.
    fn object(&mut self, token: u8) -> Result<Content<'a>> {
        if self.depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
        }
        self.depth += 1;
        let content = match token {
            NULL => Content::Null,
            REFERENCE => Content::Object(self.reference()?),
            STRING | LONG_STRING => Content::Object(self.string(token)?),
            OBJECT => Content::Object(self.ordinary_object()?),
            ARRAY => Content::Object(self.array()?),
            ENUM => Content::Object(self.enum_constant()?),
            CLASS => Content::Object(self.class_object()?),
            CLASS_DESCRIPTOR | PROXY_DESCRIPTOR => {
                let class = self.class_descriptor(token)?;
                Content::Object(ItemId(class.map_or(0, |id| self.class(id).handle)))
            }
            other => return Err(unexpected(other)),
        };
        self.depth -= 1;
        Ok(content)
    }

    fn next_object(&mut self) -> Result<Content<'a>> {
        let token = self.token()?;
        self.object(token)
    }

    fn new_handle(&mut self) -> ItemId {
        let id = ItemId(self.handles);
        self.handles += 1;
        if self.keep {
            self.items.push(Item::Unfinished);
        }
        id
    }

    fn set(&mut self, id: ItemId, item: Item<'a>) {
        if let Some(slot) = self.items.get_mut(id.0) {
            *slot = item;
        }
    }

    fn reference(&mut self) -> Result<ItemId> {
        let handle = self.reader.u32("java stream handle")?;
        let index = handle.checked_sub(FIRST_HANDLE).map(|index| index as usize);
        match index.filter(|&index| index < self.handles) {
            Some(index) => Ok(ItemId(index)),
            None => Err(DecodeError::Invalid { field: "java stream handle", value: i64::from(handle) }),
        }
    }

    fn string(&mut self, token: u8) -> Result<ItemId> {
        let id = self.new_handle();
        let bytes = if token == STRING {
            self.reader.utf("java string")?
        } else {
            let length = self.reader.u64("java string length")?;
            // More than the address space holds is more than there is, too.
            self.reader.bytes(usize::try_from(length).unwrap_or(usize::MAX), "java string")?
        };
        self.set(id, Item::Text(bytes));
        Ok(id)
    }

    /// A text in a place where only a text may stand: a field's type, an enum constant's name.
    fn text(&mut self) -> Result<Content<'a>> {
        match self.token()? {
            NULL => Ok(Content::Null),
            REFERENCE => Ok(Content::Object(self.reference()?)),
            token @ (STRING | LONG_STRING) => Ok(Content::Object(self.string(token)?)),
            other => Err(unexpected(other)),
        }
    }

    fn class_object(&mut self) -> Result<ItemId> {
        let class = self.described_class()?;
        let id = self.new_handle();
        self.set(id, Item::Class(class));
        Ok(id)
    }

    fn enum_constant(&mut self) -> Result<ItemId> {
        let class = self.described_class()?;
        let id = self.new_handle();
        let constant = self.text()?;
        self.set(id, Item::Enum { class, constant });
        Ok(id)
    }

    fn array(&mut self) -> Result<ItemId> {
        let class = self.described_class()?;
        let id = self.new_handle();
        let count = self.reader.length(usize::MAX, "java array length")?;
        let elements = match self.class(class).name {
            [b'[', code @ (b'L' | b'['), ..] => self.object_elements(*code, count)?,
            [b'[', code, ..] => {
                let size = primitive_size(*code)?;
                Elements::Primitive(self.reader.bytes(count.saturating_mul(size), "java array")?)
            }
            _ => return Err(DecodeError::BadText { field: "java array class" }),
        };
        self.set(id, Item::Array(Array { class, elements }));
        Ok(id)
    }

    fn object_elements(&mut self, code: u8, count: usize) -> Result<Elements<'a>> {
        let left = self.reader.remaining();
        if count > left {
            return Err(DecodeError::Truncated { field: "java array", needed: count, left });
        }
        let mut elements = Vec::new();
        for _ in 0..count {
            let element = self.value(code)?;
            if self.keep {
                elements.push(element);
            }
        }
        Ok(Elements::Objects(elements))
    }

    fn ordinary_object(&mut self) -> Result<ItemId> {
        let class = self.described_class()?;
        let id = self.new_handle();
        let mut data = Vec::new();
        let flags = self.class(class).flags;
        if flags.has(ClassFlags::EXTERNALIZABLE) {
            // The class writes for all its ancestors, which therefore have no data of their own.
            if !flags.has(ClassFlags::BLOCK_DATA) {
                return Err(DecodeError::Opaque { code: 44 });
            }
            let annotation = self.annotation()?;
            data.push(ClassData { class, fields: Vec::new(), annotation });
        } else {
            for ancestor in self.lineage(class) {
                if self.class(ancestor).flags.has(ClassFlags::SERIALIZABLE) {
                    let written = self.class_data(ancestor)?;
                    if self.keep {
                        data.push(written);
                    }
                }
            }
        }
        self.set(id, Item::Object(Object { class, data }));
        Ok(id)
    }

    /// A class and those above it, the topmost first.
    fn lineage(&self, class: ClassId) -> Vec<ClassId> {
        let mut lineage = Vec::with_capacity(self.class(class).ancestors.unwrap_or(0) + 1);
        let mut next = Some(class);
        // Parents are complete before their children refer to them, so this cannot go round in circles.
        while let Some(id) = next {
            lineage.push(id);
            next = self.class(id).parent;
        }
        lineage.reverse();
        lineage
    }

    fn class_data(&mut self, class: ClassId) -> Result<ClassData<'a>> {
        let mut fields = Vec::new();
        let count = self.class(class).fields.len();
        for index in 0..count {
            let Some(field) = self.class(class).fields.get(index).copied() else { break };
            let value = self.value(field.code)?;
            if self.keep {
                fields.push(value);
            }
        }
        let annotated = self.class(class).flags.has(ClassFlags::WRITE_METHOD);
        let annotation = if annotated { self.annotation()? } else { Vec::new() };
        Ok(ClassData { class, fields, annotation })
    }

    fn annotation(&mut self) -> Result<Vec<Content<'a>>> {
        let mut contents = Vec::new();
        loop {
            let content = match self.token()? {
                END_OF_BLOCK => return Ok(contents),
                BLOCK => {
                    let length = usize::from(self.reader.u8("block length")?);
                    Content::Block(self.reader.bytes(length, "block")?)
                }
                LONG_BLOCK => {
                    let length = self.reader.length(usize::MAX, "block length")?;
                    Content::Block(self.reader.bytes(length, "block")?)
                }
                token => self.object(token)?,
            };
            if self.keep {
                contents.push(content);
            }
        }
    }

    fn value(&mut self, code: u8) -> Result<Content<'a>> {
        let reader = &mut *self.reader;
        Ok(Content::Primitive(match code {
            b'L' | b'[' => return self.next_object(),
            b'Z' => Primitive::Boolean(reader.bool(FIELD)?),
            b'B' => Primitive::Byte(reader.i8(FIELD)?),
            b'C' => Primitive::Char(reader.u16(FIELD)?),
            b'S' => Primitive::Short(reader.i16(FIELD)?),
            b'I' => Primitive::Int(reader.i32(FIELD)?),
            b'J' => Primitive::Long(reader.i64(FIELD)?),
            b'F' => Primitive::Float(f32::from_bits(reader.u32(FIELD)?)),
            b'D' => Primitive::Double(f64::from_bits(reader.u64(FIELD)?)),
            other => return Err(unexpected(other)),
        }))
    }

    /// A class where there has to be one.
    fn described_class(&mut self) -> Result<ClassId> {
        let token = self.token()?;
        self.class_descriptor(token)?.ok_or_else(|| unexpected(NULL))
    }

    fn class_descriptor(&mut self, token: u8) -> Result<Option<ClassId>> {
        match token {
            NULL => return Ok(None),
            REFERENCE => {
                let handle = self.reference()?;
                return self.complete_class(handle).map(Some);
            }
            CLASS_DESCRIPTOR | PROXY_DESCRIPTOR => {}
            other => return Err(unexpected(other)),
        }
        if self.depth >= MAX_DEPTH {
            return Err(DecodeError::TooDeep { limit: MAX_DEPTH });
        }
        self.depth += 1;
        let id = self.new_class(token)?;
        self.annotation()?;
        let above = self.token()?;
        let parent = self.class_descriptor(above)?;
        let ancestors = parent.map_or(0, |id| self.class(id).ancestors.unwrap_or(0) + 1);
        if ancestors > MAX_ANCESTORS {
            return Err(DecodeError::TooDeep { limit: MAX_ANCESTORS });
        }
        if let Some(class) = self.classes.get_mut(id.0) {
            class.parent = parent;
            class.ancestors = Some(ancestors);
        }
        self.depth -= 1;
        Ok(Some(id))
    }

    /// Reads a descriptor as far as its fields.
    fn new_class(&mut self, token: u8) -> Result<ClassId> {
        if self.classes.len() >= MAX_CLASSES {
            let limit = MAX_CLASSES as u64;
            return Err(DecodeError::TooLarge { field: "java classes", value: limit + 1, limit });
        }
        let id = ClassId(self.classes.len());
        let mut class = Class {
            name: &[],
            uid: 0,
            flags: ClassFlags(ClassFlags::SERIALIZABLE),
            fields: Vec::new(),
            parent: None,
            handle: 0,
            ancestors: None,
        };
        if token == CLASS_DESCRIPTOR {
            class.name = self.reader.utf("java class name")?;
            class.uid = self.reader.i64("serialVersionUID")?;
        }
        let handle = self.new_handle();
        class.handle = handle.0;
        self.classes.push(class);
        self.set(handle, Item::Class(id));
        if token == CLASS_DESCRIPTOR {
            let flags = ClassFlags(self.reader.u8("java class flags")?);
            let fields = self.field_descriptors()?;
            if let Some(class) = self.classes.get_mut(id.0) {
                class.flags = flags;
                class.fields = fields;
            }
        } else {
            for _ in 0..self.reader.length(MAX_FIELDS, "java proxy interfaces")? {
                self.reader.utf("java interface name")?;
            }
        }
        Ok(id)
    }

    fn field_descriptors(&mut self) -> Result<Vec<Field<'a>>> {
        let count = usize::from(self.reader.u16("java field count")?);
        self.fields += count;
        if self.fields > MAX_FIELDS {
            let (value, limit) = (self.fields as u64, MAX_FIELDS as u64);
            return Err(DecodeError::TooLarge { field: "java fields", value, limit });
        }
        let mut fields = Vec::new();
        for _ in 0..count {
            let code = self.reader.u8("java field type")?;
            let name = self.reader.utf("java field name")?;
            if matches!(code, b'L' | b'[') {
                self.text()?;
            } else {
                primitive_size(code)?;
            }
            fields.push(Field { code, name });
        }
        Ok(fields)
    }

    /// The class behind a handle, if it is one and has been read to its end.
    fn complete_class(&self, handle: ItemId) -> Result<ClassId> {
        self.classes
            .binary_search_by_key(&handle.0, |class| class.handle)
            .ok()
            .filter(|&index| self.classes.get(index).is_some_and(|class| class.ancestors.is_some()))
            .map(ClassId)
            .ok_or(DecodeError::Invalid { field: "java class handle", value: handle.0 as i64 })
    }

    fn class(&self, id: ClassId) -> &Class<'a> {
        // Ids are only made by `new_class`, and classes are never removed.
        &self.classes[id.0]
    }
}

fn primitive_size(code: u8) -> Result<usize> {
    match code {
        b'Z' | b'B' => Ok(1),
        b'C' | b'S' => Ok(2),
        b'I' | b'F' => Ok(4),
        b'J' | b'D' => Ok(8),
        other => Err(unexpected(other)),
    }
}
