"""Mails: written down with what they are about, sent afterwards."""
