"""All tables of the plugin are of this one MetaData; each room defines its own.

Times are UTC seconds since 1970 as whole numbers. What is secret is held as SHA-256.
"""

import sqlalchemy as sa

metadata = sa.MetaData()
