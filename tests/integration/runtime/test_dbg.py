import asyncio, collections
from tests.integration.runtime.test_chain import *
async def test_dbg(district, chain):
    alpha, beta = chain
    import shared.runtime.relay as r
    calls=[]
    import shared.runtime.relay as rr
    class L:
        def warning(self,*a,**k): print("WARN",a,k, alpha.relay._position)
    rr.logger=L()
    orig=alpha.relay._publisher.publish
    async def pub(messages):
        calls.append(len(messages)); await orig(messages)
    alpha.relay._publisher.publish=pub
    notes = [f"note {number}" for number in range(3000)]
    await submit(alpha, notes)
    await eventually(lambda: settled(alpha, beta, district))
    recs=await district.read(district.alpha_log)
    print(len(recs), calls)
    c=collections.Counter((x.partition,x.offset) for x in recs); print(max(c.values()))
    print([ (x.offset,dict(x.headers)['sequence']) for x in recs if x.partition==7][:40])
    assert 0
