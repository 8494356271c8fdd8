"""rubincwl"""
