"""The channels beside e-mail, each behind one contract: a parcel goes in, an outcome comes out."""
