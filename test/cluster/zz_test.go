package cluster_test
import ("testing";"time";"github.com/ks-core/ks-controller-manager/test/cluster")
func TestZZ(t *testing.T){
	t0:=time.Now()
	c,err:=cluster.Start(t.Context(), cluster.Options{ControllerManager:true, Dir:"/tmp/kube/zz"})
	if err!=nil{t.Fatal(err)}
	t.Logf("api ready %s, all %s", c.APIServerReady().Sub(t0), time.Since(t0))
	t1:=time.Now()
	if err:=c.Stop();err!=nil{t.Fatal(err)}
	t.Logf("stop %s", time.Since(t1))
}
