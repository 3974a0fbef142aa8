"""XML as elements that know their line and column; what XML can be made to do to its reader is refused."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from xml.sax import SAXParseException
from xml.sax.handler import ContentHandler, feature_namespaces
from xml.sax.xmlreader import AttributesNSImpl, InputSource, Locator

from defusedxml import EntitiesForbidden, ExternalReferenceForbidden
from defusedxml.sax import make_parser

from fairslice.errors import Fault, InputError, Location

MAX_DEPTH = 100
"""Elements within elements: files of networks have six levels, and four for each group in a group of yEd."""


@dataclass(slots=True)
class Element:
    """An element by its local name; ``text`` is all its own, without that of its children."""

    name: str
    namespace: str
    attributes: dict[str, str]
    location: Location
    text: str = ""
    children: "list[Element]" = field(default_factory=list)

    def all(self, name: str) -> "Iterator[Element]":
        """The children of that name, in order."""
        return (child for child in self.children if child.name == name)

    def first(self, name: str) -> "Element | None":
        """The first child of that name."""
        return next(self.all(name), None)


def parse_xml(data: bytes, file: str) -> Element:
    """The root element of an XML document (XML 1.0, with namespaces).

    Declarations of entities, which can fill the memory, and references to other files are refused.

    Raises:
        InputError: not well-formed, or refused; with its place.
    """
    handler = _Handler(file)
    parser = make_parser()
    parser.setFeature(feature_namespaces, True)
    parser.setContentHandler(handler)
    source = InputSource()
    source.setByteStream(BytesIO(data))
    try:
        parser.parse(source)
    except SAXParseException as error:
        place = Location(file, error.getLineNumber() or 1, (error.getColumnNumber() or 0) + 1)
        raise InputError([Fault(f"not well-formed XML: {error.getMessage()}", place)]) from None
    except EntitiesForbidden as error:
        message = f"declares the entity {error.name!r}; expected a file without entity declarations"
        raise InputError([Fault(message, handler.here())]) from None
    except ExternalReferenceForbidden as error:
        message = f"refers to the file {error.sysid!r}; expected a file that needs no others"
        raise InputError([Fault(message, handler.here())]) from None
    except (LookupError, ValueError) as error:
        # An encoding that Python does not know, or that expat can't do with.
        raise InputError(f"{file}: {error}; expected XML in UTF-8 or another common encoding") from None
    return handler.root


class _Handler(ContentHandler):
    """Builds the tree."""

    def __init__(self, file: str) -> None:
        super().__init__()
        self._file = file
        self._at: Locator | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self.root = Element("", "", {}, Location(file, 1, 1))

    def here(self) -> Location:
        """Where the parser is."""
        if self._at is None:
            return Location(self._file, 1, 1)
        return Location(self._file, self._at.getLineNumber() or 1, (self._at.getColumnNumber() or 0) + 1)

    def setDocumentLocator(self, locator: Locator) -> None:  # noqa: N802
        self._at = locator

    def startElementNS(  # noqa: N802
        self,
        name: tuple[str | None, str],
        qname: str | None,  # noqa: ARG002
        attrs: AttributesNSImpl,
    ) -> None:
        given = {local: str(value) for (_, local), value in attrs.items()}
        element = Element(name[1], name[0] or "", given, self.here())
        if len(self._open) == MAX_DEPTH:
            message = f"<{element.name}> is {MAX_DEPTH} elements deep; expected fewer"
            raise InputError([Fault(message, element.location)])
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def characters(self, content: str) -> None:
        self._texts[-1].append(content)

    def endElementNS(self, name: tuple[str | None, str], qname: str | None) -> None:  # noqa: ARG002, N802
        self._open.pop().text = "".join(self._texts.pop())
