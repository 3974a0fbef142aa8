"""The one place where the controller framework is imported and made fit for current Python.

Ryu 4.34 asks for ``eventlet.wsgi.ALREADY_HANDLED``, which newer eventlets no longer have; it has to be there
before anything of Ryu is imported. So import this module first.
"""

import warnings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import eventlet.wsgi

    if not hasattr(eventlet.wsgi, "ALREADY_HANDLED"):
        eventlet.wsgi.ALREADY_HANDLED = object()

    from ryu import version as ryu_version
    from ryu.ofproto import ofproto_v1_3, ofproto_v1_3_parser
    from ryu.ofproto.ofproto_protocol import ProtocolDesc

FRAMEWORK = f"ryu {ryu_version}"

OPENFLOW_13 = ProtocolDesc(version=ofproto_v1_3.OFP_VERSION)
"""Stands in for a datapath, so that messages can be built and serialised without a switch."""

__all__ = ["FRAMEWORK", "OPENFLOW_13", "ofproto_v1_3", "ofproto_v1_3_parser"]
